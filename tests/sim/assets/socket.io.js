'use strict';
// A small socket.io client: one WebSocket, events and acknowledgements, reconnecting.
window.io = () => {
    const handlers = {};
    const acks = {};
    let next = 0, ws, closed = false, wait = 500;
    const fire = (event, ...args) => (handlers[event] || []).forEach((h) => h(...args));
    const open = () => {
        ws = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/socket.io/?EIO=4&transport=websocket`);
        ws.onmessage = ({ data }) => {
            if (data[0] === '0') ws.send('40');
            else if (data === '2') ws.send('3');
            else if (data.startsWith('40')) { wait = 500; fire('connect'); }
            else if (data.startsWith('42')) fire(...JSON.parse(data.slice(2)));
            else if (data.startsWith('43')) {
                const at = data.indexOf('[');
                const ack = acks[data.slice(2, at)];
                delete acks[data.slice(2, at)];
                if (ack) ack(...JSON.parse(data.slice(at)));
            }
        };
        ws.onclose = () => {
            if (closed) return;
            fire('disconnect');
            setTimeout(open, wait);
            wait = Math.min(wait * 2, 5000);
        };
    };
    open();
    return {
        on: (event, h) => (handlers[event] ||= []).push(h),
        emit: (event, data, ack) => {
            const id = ack ? next++ : '';
            if (ack) acks[id] = ack;
            ws.send(`42${id}${JSON.stringify([event, data])}`);
        },
        disconnect: () => { closed = true; try { ws.send('41'); } catch { /* was not open */ } ws.close(); },
    };
};
