//! What every page of a stream says: its connection, its controls and its list of messages.

use super::{Texts, number_of, texts};
use crate::app::connection::{Cause, Connection, ReadyState, Reason, Retry};
use crate::app::log_buffer::{CAPACITY, LogBuffer, MAX_BYTES, MessageTime, TimeKind};
use crate::app::snippets::Language;

texts! {
    /// The page of a stream.
    LiveTexts {
        /// The first link of the page.
        skip_to_messages: "Skip to the messages", "跳到消息列表";
        /// The advice for a reader without JavaScript, as HTML.
        without_script(stream_link):
            "<p>This is how things stood when the page was made. With JavaScript the page is live; without it, reload it, see the stream in a terminal with the <code>curl</code> command on this page, or open the <a href=\"{0}\">raw stream</a>.</p>",
            "<p>这里显示的是页面生成时的状态。启用 JavaScript 后页面会实时更新；不启用时，可以重新加载页面，在终端中用本页的 <code>curl</code> 命令查看事件流，或者打开<a href=\"{0}\">原始事件流</a>。</p>";

        /// Heading of the connection's panel.
        connection: "Connection", "连接";
        /// Name of the stat.
        stat_ready_state: "readyState", "readyState";
        /// Name of the stat.
        stat_last_message: "Last message", "最近一条消息";
        /// Name of the stat.
        stat_received: "Received live", "实时收到";
        /// Name of the stat.
        stat_consumers: "Watching now", "当前订阅者";
        /// The number of consumers while it is unknown.
        unknown: "unknown", "未知";
        /// Button in the connection's panel.
        try_now: "Try now", "立即重试";

        /// A state of the connection in a word or two.
        snapshot: "Snapshot", "快照";
        /// A state of the connection in a word or two.
        connecting: "Connecting", "连接中";
        /// A state of the connection in a word or two.
        live: "Live", "实时";
        /// A state of the connection in a word or two: the page asks every few seconds.
        polling: "Asking", "轮询中";
        /// A state of the connection in a word or two.
        reconnecting: "Reconnecting", "重连中";
        /// A state of the connection in a word or two.
        ended: "Ended", "已结束";
        /// A state of the connection in a word or two.
        closed: "Closed", "已关闭";

        /// What more there is to say about the connection.
        snapshot_detail: "As the server rendered this page.", "服务器渲染本页时的状态。";
        /// What more there is to say about the connection.
        connecting_detail: "Opening the event stream.", "正在打开事件流。";
        /// What more there is to say about the connection.
        live_detail: "Each message arrives as it is sent.", "每条消息一经发出即刻到达。";
        /// What more there is to say about the connection.
        polling_detail:
            "A proxy on the way holds the stream back, so the page asks every few seconds.",
            "途中的代理缓冲了事件流，因此页面每隔几秒查询一次。";
        /// How a stream was lost, and how it is replaced.
        reconnecting_detail(loss, retry): "{0} {1}", "{0}{1}";
        /// How a stream was lost.
        lost: "The stream is lost.", "事件流已中断。";
        /// How a stream was lost.
        offline: "There is no network.", "没有网络连接。";
        /// How a stream was lost.
        slept: "This device was asleep.", "设备刚从睡眠中唤醒。";
        /// How a stream was lost.
        silent: "The stream had gone silent.", "事件流长时间没有动静。";
        /// How a lost stream is replaced.
        browser_retries: "The browser tries again by itself.", "浏览器会自动重连。";
        /// How a lost stream is replaced.
        trying: "Trying now.", "正在重试。";
        /// How a lost stream is replaced.
        asking: "Asking the server why.", "正在向服务器询问原因。";
        /// How a lost stream is replaced.
        trying_in(seconds): "Trying again in {0} s.", "{0} 秒后重试。";
        /// What more there is to say about the connection.
        ended_detail: "The server has ended this topic. Nothing more will come.", "服务器已结束此主题，不会再有新消息。";
        /// What more there is to say about the connection.
        disconnected_detail: "You disconnected. Reconnect goes on from the last message.", "你已断开连接。重新连接后将从最后一条消息继续。";
        /// What more there is to say about the connection.
        refused_detail(why): "The server refused: {0}.", "服务器拒绝了请求：{0}。";

        /// Said aloud when the connection has changed.
        said_connected: "Connected. Messages are live.", "已连接，消息实时更新。";
        /// Said aloud when the connection has changed.
        said_polling:
            "The stream is held back. New messages come every few seconds.",
            "事件流被缓冲，新消息每隔几秒到达一次。";
        /// Said aloud when the connection has changed.
        said_lost: "The connection is lost. Reconnecting.", "连接已中断，正在重连。";
        /// Said aloud when the connection has changed.
        said_ended: "The server has ended the stream.", "服务器已结束事件流。";
        /// Said aloud when the connection has changed.
        said_disconnected: "Disconnected.", "已断开连接。";
        /// Said aloud when the connection has changed.
        said_refused(why): "The server refused the stream: {0}.", "服务器拒绝了事件流：{0}。";

        /// Why the server refused, if it gave no words.
        no_event_stream: "what it answered is no event stream", "它返回的不是事件流";
        /// Why the server refused, if it gave no words.
        answered(status): "it answered with status {0}", "它返回了状态码 {0}";

        /// Accessible name of the row of buttons.
        controls: "Controls", "控制";
        /// Button.
        pause: "Pause", "暂停";
        /// Button.
        resume: "Resume", "继续";
        /// Button.
        clear: "Clear", "清空";
        /// Button.
        disconnect: "Disconnect", "断开连接";
        /// Button.
        reconnect: "Reconnect", "重新连接";
        /// Accessible name of the buttons that copy the stream.
        copies: "Copy the stream", "复制事件流";
        /// The button that copies the stream as a command or program.
        copy_as(language): "Copy as {0}", "复制为 {0}";

        /// Said when the list was paused.
        said_paused: "Paused. The connection stays, and messages wait.", "已暂停。连接保持不变，消息会排队等待。";
        /// Said when the list goes on after a pause.
        said_resumed: "Resumed. Nothing had to wait.", "已继续，没有等待中的消息。";
        /// Said when the list goes on after a pause in which one message came.
        said_resumed_with_one: "Resumed. 1 message waited and is in the list.", "已继续，等待中的 1 条消息已加入列表。";
        /// Said when the list goes on after a pause in which several messages came.
        said_resumed_with(count): "Resumed. {0} messages waited and are in the list.", "已继续，等待中的 {0} 条消息已加入列表。";
        /// Said when the list was cleared.
        said_cleared: "Cleared. The count of received messages goes on.", "已清空。收到的消息数继续累计。";
        /// Said when the list was cleared while it is paused.
        said_cleared_paused: "Cleared. The messages that wait are kept.", "已清空。等待中的消息仍然保留。";
        /// Said when the stream is in the clipboard as a command or program.
        said_copied_as(language): "Copied as {0}.", "已复制为 {0}。";
        /// Said when the browser refused the clipboard, and the command is selected instead.
        said_not_copied:
            "The browser refused the clipboard. The command is selected at the foot of the page, for you to copy.",
            "浏览器拒绝访问剪贴板。命令已在页面底部选中，请手动复制。";

        /// Heading and accessible name of the list.
        messages: "Messages", "消息";
        /// The list when it has no rows.
        list_empty: "No messages here yet. The next one will be.", "这里还没有消息，下一条会出现在这里。";
        /// Above the list while it is paused.
        paused(count): "Paused: {0} waiting", "已暂停：{0} 条等待中";
        /// Above the list, when rows had to go.
        kept(how_much): "Newest {0} kept; older rows dropped", "只保留最新的 {0}，更早的已移除";
        /// How much that is.
        kept_rows(count): "{0}", "{0} 条";
        /// A size.
        bytes(count): "{0} bytes", "{0} 字节";
        /// The button that leads to the newest message, while nothing is new.
        at_the_newest: "At the newest", "已是最新";
        /// The button that leads to the newest message.
        new_rows(count): "{0} new", "{0} 条新消息";
        /// The row that stands where events are missing.
        gap(requested, resumed_from):
            "Messages may be missing here. The stream was to go on after {0} and goes on after {1}.",
            "这里可能缺少消息。事件流本应从 {0} 之后继续，实际从 {1} 之后继续。";
        /// The row that stands at the end of a topic.
        end_row: "The topic has ended. Nothing more will come.", "主题已结束，不会再有新消息。";

        /// When a message was published, for its row.
        published(time): "published {0} UTC", "{0} UTC 发布";
        /// When a message arrived, for its row.
        arrived(time): "arrived {0} UTC", "{0} UTC 到达";
        /// How long ago the last message came, before any.
        none_yet: "none yet", "暂无";
        /// How long ago the last message came.
        just_now: "just now", "刚刚";
        /// How long ago the last message came.
        seconds_ago(seconds): "{0} s ago", "{0} 秒前";
        /// How long ago the last message came.
        minutes_ago(minutes): "{0} min ago", "{0} 分钟前";
        /// How long ago the last message came.
        hours_ago(hours): "{0} h ago", "{0} 小时前";

        /// Heading of the panel for a terminal.
        terminal: "The same in a terminal", "在终端中查看";
        /// Link to the event stream itself.
        raw_stream: "Raw stream", "原始事件流";
    }
}

impl Texts {
    /// The advice for a reader without JavaScript, with a link to the stream; HTML, since it stands in a `<noscript>`,
    /// whose content a browser with JavaScript takes for text. `stream_link` is percent-encoded.
    pub fn without_script_html(&self, stream_link: &str) -> String {
        let link = stream_link
            .replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;");
        self.live.without_script(&link)
    }

    /// The connection in a word or two.
    pub fn connection_word(&self, connection: &Connection) -> &'static str {
        match connection {
            Connection::Snapshot => self.live.snapshot(),
            Connection::Connecting => self.live.connecting(),
            Connection::Live => self.live.live(),
            Connection::Polling => self.live.polling(),
            Connection::Reconnecting(..) => self.live.reconnecting(),
            Connection::Ended => self.live.ended(),
            Connection::Closed(_) => self.live.closed(),
        }
    }

    /// What more there is to say about the connection. `seconds_left` counts while the page waits.
    pub fn connection_detail(&self, connection: &Connection, seconds_left: u64) -> String {
        let detail = match connection {
            Connection::Snapshot => self.live.snapshot_detail(),
            Connection::Connecting => self.live.connecting_detail(),
            Connection::Live => self.live.live_detail(),
            Connection::Polling => self.live.polling_detail(),
            Connection::Reconnecting(retry, cause) => {
                let loss = match cause {
                    None => self.live.lost(),
                    Some(Cause::Offline) => self.live.offline(),
                    Some(Cause::Sleep) => self.live.slept(),
                    Some(Cause::Silence) => self.live.silent(),
                };
                let trying_in;
                let retry = match retry {
                    Retry::Browser => self.live.browser_retries(),
                    Retry::Opening => self.live.trying(),
                    Retry::Asking => self.live.asking(),
                    Retry::Waiting => {
                        trying_in = self.live.trying_in(&seconds_left.to_string());
                        &trying_in
                    }
                };
                return self.live.reconnecting_detail(loss, retry);
            }
            Connection::Ended => self.live.ended_detail(),
            Connection::Closed(Reason::Reader) => self.live.disconnected_detail(),
            Connection::Closed(Reason::Refused(refusal)) => {
                return self.live.refused_detail(&self.refusal(refusal));
            }
        };
        detail.to_owned()
    }

    /// The server's own words about a refused connection, if [`Self::connection_detail`] says something else.
    pub fn connection_server_words(&self, connection: &Connection) -> String {
        match connection {
            Connection::Closed(Reason::Refused(refusal)) => self.server_words(refusal),
            _ => String::new(),
        }
    }

    /// What is said aloud when the connection has changed; `None` where a state only leads to the next.
    pub fn connection_said(&self, connection: &Connection) -> Option<String> {
        let said = match connection {
            Connection::Snapshot | Connection::Connecting => return None,
            Connection::Live => self.live.said_connected(),
            Connection::Polling => self.live.said_polling(),
            Connection::Reconnecting(..) => self.live.said_lost(),
            Connection::Ended => self.live.said_ended(),
            Connection::Closed(Reason::Reader) => self.live.said_disconnected(),
            Connection::Closed(Reason::Refused(refusal)) => {
                return Some(self.live.said_refused(&self.refusal(refusal)));
            }
        };
        Some(said.to_owned())
    }

    /// The ready state by its number and name, which are the standard's.
    pub fn ready_state(&self, ready_state: ReadyState) -> &'static str {
        match ready_state {
            ReadyState::Connecting => "0 CONNECTING",
            ReadyState::Open => "1 OPEN",
            ReadyState::Closed => "2 CLOSED",
        }
    }

    /// When a message was published or arrived, for its row.
    pub fn message_time(&self, time: &MessageTime) -> String {
        match time.kind {
            TimeKind::Published => self.live.published(time.time()),
            TimeKind::PublishedOnOtherDay => self
                .live
                .published(&[time.date(), " ", time.time()].concat()),
            TimeKind::Arrived => self.live.arrived(time.time()),
        }
    }

    /// How long ago the last message came over the stream; before any, when the one was published that the page came
    /// with.
    pub fn last_message(&self, seconds: Option<u64>, rendered: Option<&MessageTime>) -> String {
        match (seconds, rendered) {
            (None, None) => self.live.none_yet().to_owned(),
            (None, Some(time)) if time.kind == TimeKind::PublishedOnOtherDay => {
                time.date().to_owned()
            }
            (None, Some(time)) => [time.time(), " UTC"].concat(),
            (Some(0), _) => self.live.just_now().to_owned(),
            (Some(seconds @ ..60), _) => self.live.seconds_ago(&seconds.to_string()),
            (Some(seconds @ ..3_600), _) => self.live.minutes_ago(&(seconds / 60).to_string()),
            (Some(seconds), _) => self.live.hours_ago(&(seconds / 3_600).to_string()),
        }
    }

    /// A size, in the largest unit that fits.
    pub fn bytes(&self, bytes: usize) -> String {
        match bytes {
            ..1_024 => self.live.bytes(&number_of(bytes)),
            1_024..1_048_576 => [&number_of(bytes / 1_024), " KiB"].concat(),
            _ => [&number_of(bytes / 1_048_576), " MiB"].concat(),
        }
    }

    /// What stands above the list: whether it is paused, and whether rows had to go.
    pub fn list_note(&self, log: &LogBuffer) -> String {
        if log.is_paused() {
            self.live.paused(&number_of(log.waiting()))
        } else if !log.has_dropped() {
            String::new()
        } else if log.is_full() {
            self.live.kept(&self.live.kept_rows(&number_of(CAPACITY)))
        } else {
            self.live.kept(&self.bytes(MAX_BYTES))
        }
    }

    /// The button that leads to the newest message.
    pub fn new_rows(&self, waiting: usize) -> String {
        match waiting {
            0 => self.live.at_the_newest().to_owned(),
            _ => self.live.new_rows(&number_of(waiting)),
        }
    }

    /// Said when the list goes on after a pause.
    pub fn said_resumed(&self, waiting: usize) -> String {
        match waiting {
            0 => self.live.said_resumed().to_owned(),
            1 => self.live.said_resumed_with_one().to_owned(),
            _ => self.live.said_resumed_with(&number_of(waiting)),
        }
    }
    /// The button that copies the stream as a command or program.
    pub fn copy_as(&self, language: Language) -> String {
        self.live.copy_as(language.name())
    }

    /// Said when the stream is in the clipboard as a command or program.
    pub fn said_copied_as(&self, language: Language) -> String {
        self.live.said_copied_as(language.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::log_buffer::Content;
    use crate::protocol::locale::Locale;

    fn time(kind: TimeKind) -> MessageTime {
        MessageTime {
            at: "2026-11-26T16:12:37.045Z".into(),
            kind,
        }
    }

    #[test]
    fn a_row_says_when_its_message_was_published_or_arrived() {
        let words = |locale, kind| Texts::of(locale).message_time(&time(kind));
        for (kind, english, chinese) in [
            (
                TimeKind::Published,
                "published 16:12:37 UTC",
                "16:12:37 UTC 发布",
            ),
            (
                TimeKind::Arrived,
                "arrived 16:12:37 UTC",
                "16:12:37 UTC 到达",
            ),
            (
                TimeKind::PublishedOnOtherDay,
                "published 2026-11-26 16:12:37 UTC",
                "2026-11-26 16:12:37 UTC 发布",
            ),
        ] {
            assert_eq!(words(Locale::English, kind), english);
            assert_eq!(words(Locale::Chinese, kind), chinese);
        }
    }

    #[test]
    fn an_age_is_said_in_the_largest_unit_that_fits() {
        for (seconds, english, chinese) in [
            (None, "none yet", "暂无"),
            (Some(0), "just now", "刚刚"),
            (Some(3), "3 s ago", "3 秒前"),
            (Some(59), "59 s ago", "59 秒前"),
            (Some(60), "1 min ago", "1 分钟前"),
            (Some(3_599), "59 min ago", "59 分钟前"),
            (Some(7_200), "2 h ago", "2 小时前"),
        ] {
            assert_eq!(
                Texts::of(Locale::English).last_message(seconds, None),
                english
            );
            assert_eq!(
                Texts::of(Locale::Chinese).last_message(seconds, None),
                chinese
            );
        }
        let texts = Texts::of(Locale::English);
        let today = time(TimeKind::Published);
        assert_eq!(texts.last_message(None, Some(&today)), "16:12:37 UTC");
        let earlier = time(TimeKind::PublishedOnOtherDay);
        assert_eq!(texts.last_message(None, Some(&earlier)), "2026-11-26");
        assert_eq!(texts.last_message(Some(3), Some(&earlier)), "3 s ago");
    }

    #[test]
    fn a_pause_says_how_many_wait() {
        let [english, chinese] = Locale::ALL.map(Texts::of);
        let mut log = LogBuffer::default();
        let push = |log: &mut LogBuffer, count: usize| {
            for _ in 0..count {
                log.push(Content::message(
                    String::new(),
                    "message".to_owned(),
                    "x".to_owned(),
                    "".into(),
                ));
            }
        };
        push(&mut log, 3);
        assert_eq!(english.list_note(&log), "");
        push(&mut log, CAPACITY);
        assert_eq!(
            english.list_note(&log),
            "Newest 1,000 kept; older rows dropped"
        );
        assert_eq!(
            chinese.list_note(&log),
            "只保留最新的 1,000 条，更早的已移除"
        );
        log.pause();
        push(&mut log, 12);
        assert_eq!(english.list_note(&log), "Paused: 12 waiting");
        assert_eq!(chinese.list_note(&log), "已暂停：12 条等待中");
        assert_eq!(english.new_rows(12), "12 new");
        assert_eq!(english.new_rows(0), "At the newest");
    }

    #[test]
    fn one_message_is_not_several() {
        let texts = Texts::of(Locale::English);
        assert_eq!(texts.said_resumed(0), "Resumed. Nothing had to wait.");
        assert!(texts.said_resumed(1).contains("1 message waited"));
        assert!(texts.said_resumed(1_200).contains("1,200 messages waited"));
    }

    #[test]
    fn a_size_is_said_in_the_largest_unit_that_fits() {
        let [english, chinese] = Locale::ALL.map(Texts::of);
        assert_eq!(english.bytes(1_023), "1,023 bytes");
        assert_eq!(chinese.bytes(1_023), "1,023 字节");
        assert_eq!(english.bytes(4_096), "4 KiB");
        assert_eq!(english.bytes(2_000 << 20), "2,000 MiB");
    }

    #[test]
    fn a_refused_stream_is_explained() {
        let closed = |code: &str, detail: &str| {
            Connection::Closed(Reason::Refused(crate::protocol::page::Refusal {
                status: 403,
                code: code.to_owned(),
                detail: detail.to_owned(),
            }))
        };
        let forbidden = closed("forbidden", "not you");
        let [english, chinese] = Locale::ALL.map(Texts::of);
        assert_eq!(
            english.connection_detail(&forbidden, 0),
            "The server refused: not you."
        );
        assert_eq!(english.connection_server_words(&forbidden), "");
        assert_eq!(
            chinese.connection_detail(&forbidden, 0),
            "服务器拒绝了请求：没有权限。"
        );
        assert_eq!(chinese.connection_server_words(&forbidden), "not you");
        assert_eq!(
            chinese.connection_said(&forbidden).as_deref(),
            Some("服务器拒绝了事件流：没有权限。")
        );
        assert_eq!(english.connection_said(&Connection::Connecting), None);
    }

    #[test]
    fn a_link_cannot_leave_its_attribute() {
        let html = Texts::of(Locale::Chinese).without_script_html("/a?b&\"><script>");
        assert!(
            html.contains("href=\"/a?b&amp;&quot;>&lt;script>\""),
            "{html}"
        );
    }
}
