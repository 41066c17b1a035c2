// The film that stands in for a grade: hills over water at the end of the day.
// Drawn, so that a browser can send it live and a clip of it can be made again;
// it repeats after LOOP seconds without a seam.
export const LOOP = 8;

const TURN = Math.PI * 2;
const RIDGES = [
    { base: 0.60, height: 0.10, from: [150, 120, 112], to: [196, 150, 120], waves: [[1, 0.6, 0.3], [3, 0.28, 2.1], [7, 0.12, 0.4]], pan: 0 },
    { base: 0.635, height: 0.12, from: [84, 84, 96], to: [148, 116, 108], waves: [[2, 0.5, 1.2], [5, 0.3, 4.0], [11, 0.1, 1.0]], pan: 0 },
    { base: 0.665, height: 0.12, from: [38, 48, 62], to: [88, 80, 86], waves: [[1, 0.5, 4.4], [4, 0.32, 0.8], [13, 0.08, 2.0]], pan: 0 },
    { base: 0.69, height: 0.10, from: [14, 22, 32], to: [36, 40, 50], waves: [[2, 0.5, 2.9], [6, 0.26, 1.7], [17, 0.07, 0.2], [41, 0.03, 0.9]], pan: 0 },
];

const rgb = ([r, g, b], a = 1) => `rgba(${r},${g},${b},${a})`;
const ridge = (waves, x) => waves.reduce((sum, [times, size, shift]) => sum + size * Math.sin(x * times * 1.7 + shift), 0);
// The same noise each time, so that a clip can be compared.
const noise = (n) => {
    const v = Math.sin(n * 127.1) * 43758.5453;
    return v - Math.floor(v);
};

/** Draws the moment `seconds` into a picture of `width` by `height`. */
export function film(paper, width, height, seconds) {
    const turn = ((seconds % LOOP) / LOOP) * TURN;
    const shore = height * 0.70;
    const sun = { x: width * 0.635, y: height * (0.565 + 0.004 * Math.sin(turn)) };

    const sky = paper.createLinearGradient(0, 0, 0, shore);
    for (const [at, colour] of [[0, '#1b2c44'], [0.34, '#46566c'], [0.6, '#9c8178'], [0.8, '#d99a68'], [1, '#f0c08a']]) sky.addColorStop(at, colour);
    paper.fillStyle = sky;
    paper.fillRect(0, 0, width, shore);

    const glow = paper.createRadialGradient(sun.x, sun.y, 0, sun.x, sun.y, width * 0.46);
    for (const [at, alpha] of [[0, 0.95], [0.05, 0.55], [0.2, 0.24], [1, 0]]) glow.addColorStop(at, `rgba(255,226,176,${alpha})`);
    paper.fillStyle = glow;
    paper.fillRect(0, 0, width, shore);
    paper.fillStyle = '#fff3d6';
    paper.beginPath();
    paper.arc(sun.x, sun.y, height * 0.028, 0, TURN);
    paper.fill();

    // Long thin clouds, each drifting out and back.
    for (let n = 0; n < 15; n++) {
        const drift = Math.sin(turn + n * 1.9) * width * 0.014;
        const x = noise(n + 1) * width * 1.2 - width * 0.1 + drift;
        const y = height * (0.1 + noise(n + 40) * 0.4);
        const wide = width * (0.13 + noise(n + 80) * 0.22);
        const warm = y / shore;
        paper.save();
        paper.translate(x, y);
        paper.scale(wide, height * (0.006 + noise(n + 120) * 0.012));
        const cloud = paper.createRadialGradient(0, 0, 0, 0, 0, 1);
        const tint = [190 + 62 * warm, 160 + 40 * warm, 150 - 20 * warm].map(Math.round);
        cloud.addColorStop(0, rgb(tint, 0.5));
        cloud.addColorStop(1, rgb(tint, 0));
        paper.fillStyle = cloud;
        paper.fillRect(-1, -1, 2, 2);
        paper.restore();
    }

    for (const one of RIDGES) {
        const top = (one.base - one.height) * height;
        const body = paper.createLinearGradient(0, top, 0, shore);
        body.addColorStop(0, rgb(one.from));
        body.addColorStop(1, rgb(one.to));
        paper.fillStyle = body;
        paper.beginPath();
        paper.moveTo(0, shore);
        for (let step = 0; step <= 160; step++) {
            const x = step / 160;
            paper.lineTo(x * width, (one.base - one.height * (0.42 + 0.5 * ridge(one.waves, x * 4))) * height);
        }
        paper.lineTo(width, shore);
        paper.fill();
    }

    // Mist along the shore, breathing.
    const mist = paper.createLinearGradient(0, height * 0.6, 0, shore);
    mist.addColorStop(0, 'rgba(240,196,150,0)');
    mist.addColorStop(1, `rgba(240,196,150,${0.3 + 0.07 * Math.sin(turn)})`);
    paper.fillStyle = mist;
    paper.fillRect(0, height * 0.6, width, shore - height * 0.6);

    const water = paper.createLinearGradient(0, shore, 0, height);
    for (const [at, colour] of [[0, '#c79a76'], [0.18, '#8a7674'], [0.55, '#46505f'], [1, '#182331']]) water.addColorStop(at, colour);
    paper.fillStyle = water;
    paper.fillRect(0, shore, width, height - shore);

    // The sun's road, and ripples of the sky on it.
    for (let n = 0; n < 190; n++) {
        const depth = noise(n + 300) ** 1.4;
        const y = shore + depth * (height - shore);
        const near = 0.15 + depth;
        const road = n % 2 === 0;
        const spread = road ? (0.02 + 0.1 * depth) * (noise(n + 500) * 2 - 1) : noise(n + 500) - 0.635;
        const x = sun.x + spread * width + Math.sin(turn * (1 + (n % 3)) + n) * width * 0.008 * near;
        const shine = Math.max(0, Math.sin(turn * (1 + (n % 4)) + noise(n + 700) * TURN));
        paper.fillStyle = road ? `rgba(255,222,170,${0.5 * shine * (1 - 0.45 * depth)})` : `rgba(220,190,170,${0.13 * shine})`;
        paper.beginPath();
        paper.ellipse(x, y, width * 0.028 * near * (0.4 + noise(n + 900)), height * 0.0042 * near, 0, 0, TURN);
        paper.fill();
    }

    // A boat that rocks on the spot: something in the frame to judge movement by.
    const boat = { x: width * (0.36 + 0.012 * Math.sin(turn)), y: height * (0.815 + 0.003 * Math.sin(turn * 2)) };
    paper.save();
    paper.translate(boat.x, boat.y);
    paper.rotate(0.03 * Math.sin(turn * 2 + 0.6));
    paper.scale(height / 360, height / 360);
    paper.fillStyle = '#10161e';
    paper.beginPath();
    paper.moveTo(-27, -5);
    paper.quadraticCurveTo(0, 13, 30, -8);
    paper.lineTo(-27, -5);
    paper.fill();
    paper.fillRect(-1, -62, 1.6, 58);
    paper.fillStyle = '#d8c4ae';
    paper.beginPath();
    paper.moveTo(2, -60);
    paper.quadraticCurveTo(18 + 2 * Math.sin(turn), -34, 26, -12);
    paper.lineTo(2, -12);
    paper.fill();
    paper.fillStyle = '#a58f80';
    paper.beginPath();
    paper.moveTo(-3, -54);
    paper.quadraticCurveTo(-11, -30, -20, -11);
    paper.lineTo(-3, -11);
    paper.fill();
    paper.restore();

    const edge = paper.createRadialGradient(width / 2, height / 2, height * 0.45, width / 2, height / 2, width * 0.62);
    edge.addColorStop(0, 'rgba(6,10,16,0)');
    edge.addColorStop(1, 'rgba(6,10,16,0.42)');
    paper.fillStyle = edge;
    paper.fillRect(0, 0, width, height);
}
