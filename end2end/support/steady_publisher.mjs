// Publishes as a program does that never stops: one connection, lines of NDJSON.

import { request } from 'node:http';

/** How often it writes, in milliseconds. */
const BEAT = 10;

/**
 * Publishes at a steady rate over one connection until it is stopped. What is late is made up for.
 * @param {string} url
 * @param {number} rate
 */
export function publishSteadily(url, rate) {
  const body = request(url, { method: 'PUT', headers: { 'content-type': 'application/x-ndjson' } });
  body.on('error', () => {});
  body.on('response', (response) => response.resume());
  const started = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) / 1_000) * rate);
    let lines = '';
    for (; sent < due; sent += 1) {
      const data = `{"reading":${sent},"sensor":"boiler-${sent % 7}","celsius":${20 + (sent % 100) / 10}}`;
      lines += `${JSON.stringify({ data: sent % 3 === 0 ? data : `event ${sent} of a busy topic` })}\n`;
    }
    if (lines) body.write(lines);
  }, BEAT);
  return {
    /** How many events have been handed to the connection. */
    sent: () => sent,
    stop: () => {
      clearInterval(timer);
      body.end();
    },
  };
}
