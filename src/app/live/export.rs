//! What a reader takes along: the stream as a program and an event's data in the clipboard, the list as a file. Each says
//! how it went, in [`EventStream::announcement`].

use leptos::prelude::*;

use super::{COMMAND_ELEMENT_ID, EventStream, data_element_id, program_element_id, set_if_changed};
use crate::app::curl;
use crate::app::log_buffer::{Content, Message};
use crate::app::snippets::Language;
use crate::browser::{clipboard, document, download, json};

/// Puts the command or program that reads a stream into the clipboard; selects the command if the browser refuses that.
pub(super) fn copy_stream(
    stream: EventStream,
    language: Language,
    origin: &str,
    stream_path: &str,
) {
    let program = match language {
        Language::Curl => Some(curl::plain(origin, stream_path)),
        Language::JavaScript | Language::Python => document::text_of(program_element_id(language)),
    };
    let Some(command) = program else { return };
    let plain = curl::plain(origin, stream_path);
    clipboard::write(&command.clone(), move |is_written| {
        if is_written {
            set_if_changed(stream.command, plain);
            announce(stream, &stream.texts.said_copied_as(language));
        } else {
            stream.command.try_set(command);
            announce(stream, stream.texts.live.said_not_copied());
            // After the text has been rendered, which follows the signal in its own turn.
            queue_microtask(|| document::select_text_of(COMMAND_ELEMENT_ID));
        }
    });
}

/// Puts the data of a row's event into the clipboard; selects it if the browser refuses that.
pub(super) fn copy_message(stream: EventStream, sequence: u64) {
    let message = stream
        .log
        .buffer
        .with_untracked(|log| log.message(sequence));
    let Some(message) = message else { return };
    clipboard::write(&message.data, move |is_written| {
        if is_written {
            announce(stream, stream.texts.topic.said_copied());
        } else {
            document::select_text_of(&data_element_id(sequence));
            announce(stream, stream.texts.topic.said_not_copied());
        }
    });
}

/// Saves the events that are listed as JSON lines, in the document or not.
pub(super) fn download(stream: EventStream, topic: &str) {
    let mut count = 0;
    let mut lines = String::new();
    stream.log.buffer.with_untracked(|log| {
        for row in log.passing() {
            if let Content::Message(message) = &row.content {
                lines.push_str(&json_line(message));
                count += 1;
            }
        }
    });
    let name = format!("{}.jsonl", topic.replace(['/', '\\'], "-"));
    download::text(&name, "application/x-ndjson", &lines);
    announce(stream, &stream.texts.said_downloaded(count));
}

fn announce(stream: EventStream, words: &str) {
    // Fails only if the page is gone.
    stream.announcement.try_set(words.to_owned());
}

fn json_line(message: &Message) -> String {
    let cut = match message.cut {
        Some(_) => ",\"cut\":true",
        None => "",
    };
    let [id, event_type, data] =
        [&message.id, &message.event_type, &message.data].map(|text| json::quoted(text));
    format!("{{\"id\":{id},\"type\":{event_type},\"data\":{data}{cut}}}\n")
}
