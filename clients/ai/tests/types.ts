// The package's types are the ones that the AI SDK and resumable-stream ask for. Checked by tsc with both versions of the SDK, never run.

import { AbstractChat, type ChatTransport, type UIMessage, type UIMessageChunk } from 'ai';
import type { ResumableStreamContext } from 'resumable-stream';

import { createResumableStreamContext, publishAnswer } from '../server.js';
import { FairwindChatTransport } from '../transport.js';

export const transport: ChatTransport<UIMessage> = new FairwindChatTransport({ server: 'https://live.example', api: '/api/chat', body: { model: 'large' } });
export const ofChat = (options: ConstructorParameters<typeof AbstractChat<UIMessage>>[0]) => ({ ...options, transport });

export const context: ResumableStreamContext = createResumableStreamContext({ server: 'https://live.example', waitUntil: null });

export async function topicOf(stream: ReadableStream<UIMessageChunk>): Promise<string[]> {
  const options = { server: 'https://live.example', token: async () => 'token' };
  const answers = [await publishAnswer(stream, options), await publishAnswer(async ({ signal }) => (signal.aborted ? new ReadableStream() : stream), options)];
  return answers.map(({ topic }) => topic);
}

// @ts-expect-error: a server has to be named.
export const nowhere = () => createResumableStreamContext({ waitUntil: null });
