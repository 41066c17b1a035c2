'use strict';
const $ = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const room = asked.get('room') || decodeURIComponent(location.pathname.split('/')[2] || '');
const name = asked.get('name') || 'guest';
// A token left by /login wins, as in the real page.
const token = sessionStorage.getItem('peer_token') || asked.get('token') || '';
const uuid = (localStorage.peer_uuid ||= crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2));
const { flavour, redirect } = document.body.dataset;
$('room').textContent = room;
$('name').textContent = name;
document.title += ` ${room}`;

const status = (text) => { $('status').textContent = text; };
const tile = (who) => {
    const made = Object.assign(document.createElement('span'), { textContent: who });
    made.dataset.initials = who.split(/\s+/).slice(0, 2).map((word) => word[0]).join('').toUpperCase();
    return made;
};
const people = (names) => { $('peers').replaceChildren(...names.map(tile)); };
const away = (to) => { socket.disconnect(); location.assign(/^https?:\/\//.test(to || '') ? to : redirect); };
const refused = (why) => {
    status('refused');
    $('message').textContent = why === 'unauthorized' ? 'Ops, Unauthorized' : why;
    socket.disconnect();
};

// Asks for both devices, so that the frame's allow attribute is needed.
const devices = navigator.mediaDevices
    ? navigator.mediaDevices.getUserMedia({ audio: true, video: true })
    : Promise.reject(new Error('insecure page'));
devices.then(() => { $('devices').textContent = 'granted'; }, (e) => { $('devices').textContent = `refused: ${e.name}`; });

const socket = io();
const names = new Map();
const show = () => people([name, ...names.values()]);

socket.on('connect', () => {
    names.clear();
    status('joining');
    if (flavour === 'sfu') {
        const info = {
            peer_name: name, peer_uuid: uuid, peer_token: token, peer_presenter: false, peer_audio: asked.get('audio') !== '0', peer_video: asked.get('video') !== '0',
            peer_screen: false, peer_hand: false, os_name: 'Linux', os_version: '1', browser_name: 'Chrome', browser_version: '1',
        };
        socket.emit('createRoom', { room_id: room }, () => socket.emit('join', { room_id: room, peer_info: info }, (answer) => {
            if (typeof answer === 'string') return refused(answer);
            if (answer.error) return refused(answer.error);
            for (const [id, peer] of JSON.parse(answer.peers)) {
                if (peer.peer_info.peer_uuid === uuid && peer.peer_name === name) $('role').textContent = peer.peer_info.peer_presenter ? 'presenter' : 'viewer';
                else names.set(id, peer.peer_name);
            }
            status('joined');
            show();
        }));
    } else {
        socket.emit('join', {
            channel: room, channel_password: '', peer_info: { osName: 'Linux', osVersion: '1', browserName: 'Chrome', browserVersion: '1' }, peer_uuid: uuid,
            peer_name: name, peer_avatar: false, peer_token: token, peer_video: true, peer_audio: true, peer_video_status: true, peer_audio_status: true,
            peer_screen_status: false, peer_hand_status: false, peer_rec_status: false, peer_privacy_status: false,
        });
    }
});
socket.on('disconnect', () => status('reconnecting'));
socket.on('newPeer', (p) => { names.set(p.peer_id, p.peer_info.peer_name); show(); });
socket.on('removeMe', (p) => { names.delete(p.peer_id); show(); });
socket.on('serverInfo', (info) => { $('role').textContent = info.is_presenter ? 'presenter' : 'viewer'; status('joined'); show(); });
socket.on('addPeer', (p) => { names.set(p.peer_id, p.peers[p.peer_id].peer_name); show(); });
socket.on('removePeer', (p) => { names.delete(p.peer_id); show(); });
socket.on('unauthorized', () => refused('unauthorized'));
socket.on('roomIsLocked', () => refused('roomIsLocked'));
socket.on('kickOut', () => away('/newcall'));
socket.on('cmd', (c) => { if (c.type === 'ejectAll') away(c.redirect); });
$('leave').onclick = () => {
    if (flavour === 'sfu') socket.emit('exitRoom', {}, () => away());
    else away();
};
