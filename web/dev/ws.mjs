// A WebSocket server of sixty lines, enough for the mock: text frames below 64 KiB, no extensions. RFC 6455.
import { createHash } from 'node:crypto';

export function accept(request, socket, onMessage, onClose) {
  const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
  let buffer = Buffer.alloc(0);
  socket.on('data', (data) => {
    buffer = Buffer.concat([buffer, data]);
    for (;;) {
      if (buffer.length < 6) return;
      const op = buffer[0] & 15;
      let length = buffer[1] & 127;
      let at = 2;
      if (length === 126) {
        length = buffer.readUInt16BE(2);
        at = 4;
      }
      if (buffer.length < at + 4 + length) return;
      const mask = buffer.subarray(at, at + 4);
      const body = Buffer.from(buffer.subarray(at + 4, at + 4 + length));
      for (let i = 0; i < body.length; i++) body[i] ^= mask[i & 3];
      buffer = buffer.subarray(at + 4 + length);
      if (op === 8) return socket.end();
      if (op === 1) onMessage(JSON.parse(body.toString('utf8')));
    }
  });
  socket.on('error', () => {});
  socket.on('close', onClose);
  return (message) => {
    const body = Buffer.from(JSON.stringify(message));
    const head = body.length < 126 ? Buffer.from([0x81, body.length]) : body.length < 65536 ? Buffer.from([0x81, 126, body.length >> 8, body.length & 255]) : null;
    if (head) return socket.write(Buffer.concat([head, body]));
    const long = Buffer.alloc(10);
    long[0] = 0x81;
    long[1] = 127;
    long.writeBigUInt64BE(BigInt(body.length), 2);
    socket.write(Buffer.concat([long, body]));
  };
}
