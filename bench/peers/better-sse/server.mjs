// The peer `better-sse`: the npm package on Node's own HTTP server, with one channel. GET /stream subscribes, POST
// /publish sends the body to everybody. The only argument is the port of 127.0.0.1 to listen on.
import { createServer } from 'node:http';
import { createChannel, createSession } from 'better-sse';

const channel = createChannel();
// The data is text already; without this it would be sent as a JSON string.
const asItIs = { serializer: String };
let id = 0;

const server = createServer(async (request, response) => {
  if (request.method === 'GET' && request.url === '/stream') {
    channel.register(await createSession(request, response, asItIs));
  } else if (request.method === 'POST' && request.url === '/publish') {
    request.setEncoding('utf8');
    let data = '';
    request.on('data', (part) => { data += part; });
    request.on('end', () => {
      id += 1;
      channel.broadcast(data, 'message', { eventId: String(id) });
      response.writeHead(204).end();
    });
  } else {
    response.writeHead(404).end();
  }
});
server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 });
