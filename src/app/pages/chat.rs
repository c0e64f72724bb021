//! A chat: the page of a room, and the page that leads to one. The server renders both; a small script, `public/chat.js`, brings a
//! room to life over the stream that all pages share, without the WebAssembly of other pages. Without JavaScript, the form sends
//! messages, and loading the page again shows new ones.

use leptos::either::Either;
use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::components::open_form::OpenForm;
use crate::app::components::requests::Requests;
use crate::app::curl;
use crate::app::links::Piece;
use crate::app::texts::chat::ChatTexts;
use crate::app::texts::{Texts, number_of};
use crate::protocol::chat::{CHAT_PATH, MAX_NAME_UNITS, MAX_TEXT_UNITS, ROOM};
use crate::protocol::page::Refusal;
use crate::protocol::topic_path;

/// What the page of a room shows.
#[derive(Debug, Clone)]
pub struct ChatRoom {
    /// Scheme and authority of the server.
    pub origin: String,
    /// Its name.
    pub room: String,
    /// Its path.
    pub path: String,
    /// Its topic.
    pub topic: String,
    /// Its newest messages, oldest first.
    pub messages: Vec<ChatMessage>,
    /// Where the stream goes on.
    pub last_event_id: String,
    /// The reader's name; empty before the reader has chosen one.
    pub name: String,
    /// Whether the name is that of the reader's token.
    pub is_named_by_token: bool,
    /// Whether the reader can be present under a name.
    pub can_be_present: bool,
    /// The names that are present.
    pub present: Vec<String>,
    /// The id of the message that the form sends, so that a form which is sent twice is one message.
    pub next_id: String,
    /// Why the reader may not write; `None` if the reader may.
    pub refusal: Option<Refusal>,
    /// Whether the topic has ended.
    pub has_ended: bool,
}

/// A message.
#[derive(Debug, Clone)]
pub struct ChatMessage {
    /// Whose it is; empty if it does not say so.
    pub name: String,
    /// Its text.
    pub text: Vec<Piece>,
    /// Whether the message before it is another's, or much older.
    pub is_first: bool,
    /// When it was published, as RFC 3339.
    pub sent_at: String,
    /// The same for people, such as `16:12 UTC`.
    pub time: String,
}

/// The way to a room.
#[derive(Debug, Clone, Default)]
pub struct ChatDoor {
    /// The name that the reader wanted and that cannot be a room's, and why.
    pub refused: Option<(String, Refusal)>,
}

/// The page that leads to a room.
#[component]
pub fn ChatDoorPage(
    /// What it shows.
    door: ChatDoor,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let words = ChatTexts::of(texts.locale);
    view! {
        <Masthead texts is_heading=false />
        <main id="main" class="chat-door">
            <h1>{words.title()}</h1>
            <p class="lead">{words.lede()}</p>
            <OpenForm
                action=CHAT_PATH
                parameter=ROOM
                label=words.room_label()
                button=words.enter()
                refused=door.refused
                wrong=move |why: &str| ChatTexts::of(texts.locale).not_entered(why)
                texts
            />
        </main>
    }
}

/// The page of a room. The script finds in its attributes where the stream goes on, and the texts that change.
#[component]
pub fn ChatPage(
    /// What it shows.
    room: ChatRoom,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let words = ChatTexts::of(texts.locale);
    let requests = requests(&room, words);
    let is_empty = room.messages.is_empty();
    let rows = room
        .messages
        .into_iter()
        .map(|message| view! { <MessageRow message words /> })
        .collect_view();
    let count = room.present.len();
    let names = room
        .present
        .into_iter()
        .map(|name| view! { <li dir="auto">{name}</li> })
        .collect_view();
    let form = match (room.has_ended, room.refusal) {
        (true, _) => Either::Left(view! { <p class="refusal">{words.room_ended()}</p> }.into_any()),
        (false, Some(refusal)) => Either::Left(
            view! {
                <p class="refusal">
                    {words.closed_to_you(&texts.refusal(&refusal))} " "
                    <span lang="en">{texts.server_words(&refusal)}</span>
                </p>
            }
            .into_any(),
        ),
        (false, None) => Either::Right(view! {
            <WriteForm
                words
                path=room.path.clone()
                name=room.name.clone()
                is_fixed=room.is_named_by_token
                id=room.next_id
            />
        }),
    };
    view! {
        <a class="skip-link" href="#text">{words.skip()}</a>
        <Masthead texts is_heading=false />
        <main
            id="main"
            class="chat-page"
            data-topic=room.topic
            data-from=room.last_event_id
            data-name=room.name
            data-present=room.can_be_present.then_some("")
            data-token=room.is_named_by_token.then_some("")
            data-connecting=words.connecting()
            data-live=words.live()
            data-polling=words.polling()
            data-reconnecting=words.reconnecting()
            data-refused=words.refused()
            data-ended=words.room_ended()
            data-sending=words.sending()
            data-failed=words.failed()
            data-without-name=words.without_name()
            data-gap=words.gap()
            data-one-types=words.one_types("{0}")
            data-two-type=words.two_type("{0}", "{1}")
            data-many-type=words.many_type()
            data-new-messages=words.new_messages("{0}")
            data-said-new=words.said_new("{0}")
        >
            <div class="chat-head">
                <h1 dir="auto">{room.room}</h1>
                <p class="lead">{words.try_it()}</p>
                <noscript inner_html=words.without_script()></noscript>
                <p id="state" class="chat-state" role="status"><span></span>" "<span lang="en"></span></p>
            </div>
            <div class="chat-talk">
                <div id="messages" class="chat-messages" role="log" aria-live="off" aria-label=words.messages() tabindex="0">
                    <p id="none" class="none" hidden=!is_empty>{words.none_yet()}</p>
                    <ol id="list">{rows}</ol>
                </div>
                <button id="jump" type="button" class="chat-jump" hidden></button>
                <p id="typing" class="chat-typing"></p>
                {form}
                <p class="for-plain"><a href=room.path>{words.reload()}</a></p>
                <p id="said" class="chat-said" role="status"></p>
            </div>
            <details class="chat-people" open>
                <summary>
                    {words.number_here()} " " <span id="count">{number_of(count)}</span>
                </summary>
                <ul id="people" aria-label=words.here() tabindex="0">{names}</ul>
            </details>
            <Requests texts requests>
                <p><a href="/chat.js">{words.source()}</a></p>
            </Requests>
            <template id="row">
                <li class="chat-message">
                    <p class="by"><bdi></bdi>" "<time></time></p>
                    <p class="text" dir="auto"></p>
                    <p class="fate" hidden>
                        <span></span>
                        " "
                        <span lang="en"></span>
                        " "
                        <button type="button">{words.again()}</button>
                    </p>
                </li>
            </template>
        </main>
    }
}

/// A message that has been sent.
#[component]
fn MessageRow(message: ChatMessage, words: ChatTexts) -> impl IntoView {
    let pieces = message
        .text
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => Either::Left(text),
            Piece::Link(address) => Either::Right(view! {
                <a href=address.clone() target="_blank" rel="noopener noreferrer nofollow ugc">{address.clone()}</a>
            }),
        })
        .collect_view();
    let class = if message.is_first {
        "chat-message first"
    } else {
        "chat-message"
    };
    let shown = if message.name.is_empty() {
        words.without_name().to_owned()
    } else {
        message.name.clone()
    };
    view! {
        <li class=class data-name=message.name>
            <p class="by">
                <bdi>{shown}</bdi>" "<time datetime=message.sent_at>{message.time}</time>
            </p>
            <p class="text" dir="auto">{pieces}</p>
        </li>
    }
}

#[component]
fn WriteForm(
    words: ChatTexts,
    path: String,
    name: String,
    is_fixed: bool,
    id: String,
) -> impl IntoView {
    view! {
        <form id="write" class="chat-write" method="post" action=path>
            <input type="hidden" name="id" value=id />
            <label for="name">{words.name()}</label>
            <input
                id="name"
                name="name"
                type="text"
                required
                maxlength=MAX_NAME_UNITS.to_string()
                autocomplete="nickname"
                spellcheck="false"
                value=name
                readonly=is_fixed
                aria-describedby=is_fixed.then_some("name-hint")
            />
            {is_fixed.then(|| view! { <p id="name-hint" class="hint">{words.name_of_token()}</p> })}
            <label for="text">{words.message()}</label>
            <textarea
                id="text"
                name="text"
                rows="2"
                required
                maxlength=MAX_TEXT_UNITS.to_string()
                autocomplete="off"
                enterkeyhint="send"
                aria-describedby="keys"
            ></textarea>
            <div class="chat-send">
                <button type="submit" class="main">{words.send()}</button>
                <span id="keys" class="hint">{words.keys()}</span>
            </div>
        </form>
    }
}

/// The three requests that the page is made of: what each does, and a command.
fn requests(room: &ChatRoom, words: ChatTexts) -> [(&'static str, String); 3] {
    let url = format!("{}{}", room.origin, topic_path(&room.topic));
    let history = curl::word(&format!("{url}?limit=50"));
    let stream = curl::word(&format!("{url}?name=Ada&presence=event"));
    let publish = curl::word(&url);
    [
        (
            words.history_request(),
            format!("curl -H 'Accept: application/json' {history}"),
        ),
        (words.stream_request(), format!("curl -N {stream}")),
        (
            words.publish_request(),
            format!(r#"curl -d '{{"name":"Ada","text":"hello"}}' {publish}"#),
        ),
    ]
}
