//! The notifications of one browser: those that have come, those that are scheduled, and a form that makes some. The server
//! renders all of it; a small script, `public/notifications.js`, adds what comes, counts what is unread, and has the system
//! show it. Without JavaScript the forms work, and the page is loaded again.

use leptos::prelude::*;

use super::topics::Moment;
use crate::app::components::command::Command;
use crate::app::components::masthead::Masthead;
use crate::app::components::requests::Requests;
use crate::app::texts::notifications::NotificationsTexts;
use crate::app::texts::{Texts, number_of};
use crate::app::{curl, examples};
use crate::protocol::notifications::NOTIFICATIONS_PATH;
use crate::protocol::page::Refusal;
use crate::protocol::{SCHEDULED_PATH, scheduled_path, topic_path};

/// The field of what is to be published.
const TEXT_ID: &str = "note-text";

/// The choice of when.
const WHEN_ID: &str = "note-when";

/// Notifications at one moment.
#[derive(Debug, Clone)]
pub struct Inbox {
    /// Scheme and authority of the server.
    pub origin: String,
    /// The browser's own topic.
    pub topic: String,
    /// Where its stream goes on.
    pub last_event_id: String,
    /// The newest that have come, newest first.
    pub notes: Vec<Note>,
    /// The URL of those before them, if there are any.
    pub older: Option<String>,
    /// Whether the server publishes later.
    pub has_schedule: bool,
    /// Those that are scheduled, the earliest first.
    pub scheduled: Vec<ScheduledNote>,
    /// How many more there are.
    pub more_scheduled: usize,
    /// Why the reader may not publish; `None` if the reader may.
    pub refusal: Option<Refusal>,
}

/// A notification.
#[derive(Debug, Clone)]
pub struct Note {
    /// The log's id.
    pub position: String,
    /// When it was published.
    pub at: Moment,
    /// What it says, or the beginning.
    pub text: String,
}

/// A notification for later.
#[derive(Debug, Clone)]
pub struct ScheduledNote {
    /// Its name.
    pub id: String,
    /// When it is due.
    pub at: Moment,
    /// What it says, or the beginning.
    pub text: String,
}

/// The page.
#[component]
pub fn NotificationsPage(
    /// What it shows.
    inbox: Inbox,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let words = NotificationsTexts::of(texts.locale);
    let path = topic_path(&inbox.topic);
    let has_schedule = inbox.has_schedule;
    let requests = requests(&inbox, &path, words);
    let program = examples::notifications(&inbox.origin, &inbox.topic, has_schedule);
    // Those who may publish may see what is scheduled.
    let later = inbox.refusal.is_none().then(|| {
        let (notes, more) = (inbox.scheduled, inbox.more_scheduled);
        view! {
            <section class="later" aria-labelledby="later-heading">
                <h2 id="later-heading" tabindex="-1">{words.scheduled()}</h2>
                <div id="scheduled">
                    <ScheduledNotes notes more has_schedule words />
                </div>
            </section>
        }
    });
    let make = match inbox.refusal {
        None => view! { <MakeForm words path=path.clone() has_schedule /> }.into_any(),
        Some(refusal) => view! {
            <p class="refusal">{texts.cannot_publish(&refusal)} " " <span lang="en">{texts.server_words(&refusal)}</span></p>
        }
        .into_any(),
    };
    let has_none = inbox.notes.is_empty();
    let has_no_older = inbox.older.is_none();
    let notes = inbox
        .notes
        .into_iter()
        .map(|note| view! { <NoteRow note words /> })
        .collect_view();
    let blank = Note {
        position: String::new(),
        at: Moment {
            datetime: String::new(),
            text: String::new(),
        },
        text: String::new(),
    };
    view! {
        <a class="skip-link" href="#inbox">{words.skip()}</a>
        <Masthead texts is_heading=false />
        <main
            id="main"
            class="notifications-page"
            data-topic=inbox.topic
            data-from=inbox.last_event_id
            data-unread=words.unread()
            data-connecting=words.connecting()
            data-live=words.live()
            data-lost=words.lost()
            data-refused=words.refused()
            data-ended=words.ended()
            data-new-one=words.new_one()
            data-new-ones=words.new_ones()
            data-gap=words.gap()
            data-sent=words.sent()
            data-scheduled=words.is_scheduled()
            data-not-sent=words.not_sent()
            data-unreachable=words.unreachable()
            data-allowed=words.allowed()
            data-denied=words.denied()
            data-cannot=words.cannot()
        >
            <div class="inbox-lede">
                <h1>{texts.site.notifications()}</h1>
                <p>{words.lede()}</p>
                <noscript>
                    <p>{words.without_script()} " " <a href=NOTIFICATIONS_PATH>{words.reload()}</a></p>
                </noscript>
            </div>
            <section id="inbox" class="inbox" aria-labelledby="inbox-heading">
                <div class="inbox-head">
                    <h2 id="inbox-heading">{words.inbox()}</h2>
                    <span id="unread" class="unread"></span>
                    <button id="read-all" type="button" class="by-script" disabled>{words.read_all()}</button>
                </div>
                <p id="said" class="said" role="status"></p>
                <p id="news" class="news" role="status"></p>
                <div class="notes" tabindex="0" role="group" aria-label=words.inbox()>
                    <p id="none" class="none" hidden=!has_none>{words.none()}</p>
                    <ol id="notes">{notes}</ol>
                    <p id="older" class="none" hidden=has_no_older>
                        <a href=inbox.older.unwrap_or(path)>{words.older()}</a>
                    </p>
                </div>
            </section>
            <section class="make" aria-labelledby="make-heading">
                <h2 id="make-heading">{words.make()}</h2>
                {make}
                <p class="allow">
                    <button id="allow" type="button" class="by-script" disabled>{words.allow()}</button>
                    <span id="allow-said" role="status" tabindex="-1"></span>
                </p>
            </section>
            {later}
            <Requests texts requests>
                <h3>{words.source()}</h3>
                <Command label=words.source() text=program />
                <p>{words.source_text()} " " <a href="/notifications.js">"/notifications.js"</a></p>
            </Requests>
        </main>
        <template id="note">
            <NoteRow note=blank words />
        </template>
    }
}

/// The three requests that the page is made of: what each does, and a command.
fn requests(inbox: &Inbox, path: &str, words: NotificationsTexts) -> [(&'static str, String); 3] {
    let url = format!("{}{path}", inbox.origin);
    let publish = format!("curl -d '{}' {}", words.example(), curl::word(&url));
    let read = (words.to_read(), curl::plain(&inbox.origin, path));
    if !inbox.has_schedule {
        let history = curl::word(&url);
        return [
            read,
            (words.to_publish_now(), publish),
            (
                words.to_look(),
                format!("curl -H 'Accept: application/json' {history}"),
            ),
        ];
    }
    let later = curl::word(&format!("{url}?in=10s"));
    let list = curl::word(&format!(
        "{}{SCHEDULED_PATH}?topic={}",
        inbox.origin, inbox.topic
    ));
    [
        read,
        (
            words.to_publish(),
            format!("{publish}\ncurl -d '{}' {later}", words.example()),
        ),
        (words.to_list(), format!("curl {list}")),
    ]
}

/// The form that makes a notification.
#[component]
fn MakeForm(words: NotificationsTexts, path: String, has_schedule: bool) -> impl IntoView {
    let times = [
        ("", words.now()),
        ("10s", words.in_10_seconds()),
        ("1m", words.in_1_minute()),
        ("10m", words.in_10_minutes()),
        ("1h", words.in_1_hour()),
    ];
    let when = has_schedule.then(|| {
        let times = times.map(|(value, text)| view! { <option value=value>{text}</option> });
        view! {
            <label for=WHEN_ID>{words.when()}</label>
            <select id=WHEN_ID name="in">{times}</select>
        }
    });
    view! {
        <form id="make" method="post" enctype="multipart/form-data" action=path>
            <label for=TEXT_ID>{words.text()}</label>
            <input id=TEXT_ID name="data" type="text" required autocomplete="off" maxlength="500" value=words.example() />
            {when}
            <button type="submit" class="main">{words.notify()}</button>
            <p id="outcome" class="outcome" role="status"></p>
        </form>
    }
}

/// One that has come.
#[component]
fn NoteRow(note: Note, words: NotificationsTexts) -> impl IntoView {
    let text_id = format!("text{}", note.position);
    view! {
        <li data-position=note.position>
            <div>
                <span class="dot" hidden>{words.is_unread()}</span>
                <time datetime=note.at.datetime>{note.at.text}</time>
                <p id=text_id.clone() class="note-text" dir="auto">{note.text}</p>
            </div>
            <button type="button" class="read-one by-script" aria-describedby=text_id>{words.read_one()}</button>
        </li>
    }
}

/// Those that are scheduled.
#[component]
fn ScheduledNotes(
    notes: Vec<ScheduledNote>,
    more: usize,
    has_schedule: bool,
    words: NotificationsTexts,
) -> impl IntoView {
    if !has_schedule {
        return view! { <p class="none">{words.no_schedule()}</p> }.into_any();
    }
    if notes.is_empty() {
        return view! { <p class="none">{words.none_scheduled()}</p> }.into_any();
    }
    let rows = notes.into_iter().map(|note| {
        let url = scheduled_path(&note.id);
        let described = format!("scheduled-{}", note.id);
        view! {
            <li>
                <div id=described.clone()>
                    <time datetime=note.at.datetime>{note.at.text}</time>
                    <p class="note-text" dir="auto">{note.text}</p>
                </div>
                <form method="post" action=format!("{url}/cancel") data-url=url>
                    <button type="submit" aria-describedby=described>{words.cancel()}</button>
                </form>
            </li>
        }
    });
    let rows = rows.collect_view();
    let more =
        (more > 0).then(|| view! { <p class="none">{words.more_scheduled(&number_of(more))}</p> });
    view! {
        <ol>{rows}</ol>
        {more}
    }
    .into_any()
}
