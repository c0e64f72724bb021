// What a page has and Node.js has not, as far as the recipes use it: an EventSource, and a body to append to. What is
// appended goes to standard output, and replaceChildren() starts it again with a form feed.

globalThis.document = {
  body: {
    append: (...texts) => process.stdout.write(texts.join('')),
    replaceChildren: (...texts) => process.stdout.write(`\f${texts.join('')}`),
  },
};

globalThis.EventSource = class extends EventTarget {
  #url;
  #last = '';
  #retry = 2_000;
  #abort = new AbortController();

  constructor(url) {
    super();
    this.#url = url;
    this.addEventListener('message', (event) => this.onmessage?.(event));
    this.#run();
  }

  close() {
    this.#abort.abort();
  }

  async #run() {
    while (!this.#abort.signal.aborted) {
      try {
        const headers = { Accept: 'text/event-stream' };
        if (this.#last) headers['Last-Event-ID'] = this.#last;
        const response = await fetch(this.#url, { headers, signal: this.#abort.signal });
        if (response.status !== 200) return;
        await this.#read(response.body.pipeThrough(new TextDecoderStream()));
      } catch {
        // The connection was lost, or closed by the page.
      }
      await new Promise((resolve) => setTimeout(resolve, this.#retry));
    }
  }

  async #read(texts) {
    let rest = '';
    let [type, data, id] = ['message', [], this.#last];
    for await (const text of texts) {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (line === '') {
          this.#last = id;
          const message = { data: data.join('\n'), lastEventId: id };
          if (data.length > 0 && !this.#abort.signal.aborted) this.dispatchEvent(new MessageEvent(type, message));
          [type, data] = ['message', []];
        } else if (field === 'data') data.push(value);
        else if (field === 'event') type = value;
        else if (field === 'id') id = value;
        else if (field === 'retry') this.#retry = Number(value);
      }
    }
  }
};
