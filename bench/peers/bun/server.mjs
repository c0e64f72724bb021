// The peer `bun`: Bun's own server. GET /stream subscribes by a direct stream, Bun's quickest kind, and /socket by a
// WebSocket, for which Bun has topics of its own; POST /publish sends the body to everybody. The arguments are the
// port of 127.0.0.1 to listen on and, for HTTPS, the files with the certificate and its key.
const [port, cert, key] = process.argv.slice(2);
const subscribers = new Set();
let id = 0;

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(port),
  tls: cert && { cert: Bun.file(cert), key: Bun.file(key) },
  idleTimeout: 0,
  async fetch(request, server) {
    const { pathname } = new URL(request.url);
    if (request.method === 'POST' && pathname === '/publish') {
      const data = await request.text();
      id += 1;
      const frame = `id: ${id}\ndata: ${data}\n\n`;
      for (const subscriber of subscribers) {
        subscriber.write(frame);
        subscriber.flush();
      }
      server.publish('bench', data);
      return new Response(null, { status: 204 });
    }
    if (pathname === '/stream') return stream(request);
    if (pathname === '/socket' && server.upgrade(request)) return undefined;
    return new Response(null, { status: 404 });
  },
  websocket: {
    open(socket) { socket.subscribe('bench'); },
    message() {},
  },
});

function stream(request) {
  const body = new ReadableStream({
    type: 'direct',
    async pull(controller) {
      controller.write(': welcome\n\n');
      controller.flush();
      subscribers.add(controller);
      // The stream is open for as long as this is pending.
      await new Promise((done) => request.signal.addEventListener('abort', done));
      subscribers.delete(controller);
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' } });
}

console.log(`listening on ${server.url}`);
