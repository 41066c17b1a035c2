// The maker of media: a browser with this page open sends the film to every
// WebRTC viewer of the stand-in. It only ever speaks to the control port, and
// its packets go through the stand-in's ICE ports.
import { film } from './film.js';

const RATE = 25;
const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
document.body.append(canvas);
const paper = canvas.getContext('2d', { alpha: false });
setInterval(() => film(paper, canvas.width, canvas.height, performance.now() / 1000), 1000 / RATE);
const picture = canvas.captureStream(RATE).getVideoTracks()[0];
const sound = new AudioContext();
const out = sound.createMediaStreamDestination();
const tone = new OscillatorNode(sound, { frequency: 330 });
tone.connect(new GainNode(sound, { gain: 0.05 })).connect(out);
tone.start();

// As OvenMediaEngine: H.264 as the encoder sent it, where this browser has it.
const codecs = RTCRtpSender.getCapabilities('video').codecs;
const first = codecs.filter((c) => c.mimeType === 'video/H264' && /packetization-mode=1/.test(c.sdpFmtpLine ?? '') && /42[ec]0/i.test(c.sdpFmtpLine));
const wanted = first.length > 0 ? first : codecs.filter((c) => c.mimeType === 'video/VP8');

const peers = new Map();
const socket = new WebSocket(`ws://${location.host}/media`);
socket.onopen = () => { document.title = 'Media: attached'; };
socket.onclose = () => { document.title = 'Media: gone'; };

async function offer(id) {
    const peer = new RTCPeerConnection();
    peers.set(id, peer);
    const streams = [new MediaStream()];
    const video = peer.addTransceiver(picture, { direction: 'sendonly', streams });
    video.setCodecPreferences(wanted);
    peer.addTransceiver(out.stream.getAudioTracks()[0], { direction: 'sendonly', streams });
    const at = [];
    const gathered = new Promise((done) => {
        peer.onicecandidate = ({ candidate }) => {
            if (!candidate) return done();
            if (candidate.protocol === 'udp' && candidate.address) at.push([candidate.address, candidate.port]);
        };
        // One way to this page is enough.
        setTimeout(done, 250);
    });
    const made = await peer.createOffer();
    await peer.setLocalDescription(made);
    await gathered;
    // As it was before there were candidates: a viewer is offered the stand-in's.
    socket.send(JSON.stringify({ id, sdp: made.sdp, at }));
}

socket.onmessage = async ({ data }) => {
    const { order, id, sdp } = JSON.parse(data);
    if (order === 'offer') return offer(id);
    const peer = peers.get(id);
    if (!peer) return;
    if (order === 'answer') return peer.setRemoteDescription({ type: 'answer', sdp });
    peers.delete(id);
    peer.close();
};
