//! What the page says that compares an EventSource with a WebSocket: its labels, what happened in an experiment, and the
//! article's claims beside what the standards say. What is measured is written as a pure function of data.

use super::{Texts, number, texts};
use crate::app::comparison::{Attempt, Counted, Link, OfSide, Outcome, Race, Sent, Shown, Side};
use crate::protocol::compare::{BURST_EVENTS, Experiment, HOLD_SECONDS};

texts! {
    /// What changes on the page that compares, and names of its elements. The browser has it.
    CompareTexts {
        /// What a connection is doing.
        waiting: "Waiting", "等待中";
        /// What a connection is doing.
        connecting: "Connecting", "连接中";
        /// What a connection is doing.
        open: "Open", "已打开";
        /// What a connection is doing.
        reconnecting: "Reconnecting", "重连中";
        /// What a connection is doing.
        lost: "Lost", "已断开";
        /// What a connection is doing.
        closed: "Closed", "已关闭";
        /// The same in a sentence.
        waiting_detail: "It opens when the page has come alive.", "页面激活后打开。";
        /// The same in a sentence.
        connecting_detail: "The browser opens it.", "浏览器正在打开连接。";
        /// The same in a sentence.
        source_open_detail: "One response of the server, which goes on.", "服务器的一个响应，一直持续下去。";
        /// The same in a sentence.
        socket_open_detail: "One connection, on which both sides send frames.", "一个连接，双方都可以在上面发送帧。";
        /// The same in a sentence.
        source_reconnecting_detail:
            "The browser opens it again by itself, and names the last event that it had.",
            "浏览器自动重新打开，并告知收到的最后一个事件。";
        /// The same in a sentence.
        socket_reconnecting_detail: "The page opens it again.", "页面正在重新打开。";
        /// The same in a sentence.
        source_lost_detail:
            "The browser has given up: the answer was no event stream. A page has to open another.",
            "浏览器已放弃：响应不是事件流。需要由页面打开新的连接。";
        /// The same in a sentence.
        socket_lost_detail:
            "The browser does not open it again: a page has to do that itself.",
            "浏览器不会重新打开，需要由页面自己完成。";
        /// The same in a sentence.
        closed_detail: "You have closed it.", "你已将它关闭。";

        /// Name of a stat.
        stat_received: "Events received", "收到的事件";
        /// Name of a stat.
        stat_missed: "Events missed", "错过的事件";
        /// Name of a stat.
        stat_each: "Bytes for one event", "每个事件的字节数";
        /// Name of a stat.
        stat_all: "Bytes in all", "总字节数";
        /// The bytes on the wire for one event, and how many of them are its data.
        bytes_of_each(bytes, data): "{0} ({1} of data)", "{0}（数据 {1}）";
        /// What an event has beside its data in an event stream.
        beside_source:
            "Beside the data: the names of the fields, the event’s id and, on HTTP/1.1, the head of a chunk.",
            "数据之外：字段名、事件 ID，以及 HTTP/1.1 上的分块头。";
        /// What it has on the WebSocket.
        beside_socket:
            "Beside the data: the head of a frame, and the JSON in which this server sends id, topic and type, which WebSocket does not have.",
            "数据之外：帧头，以及本服务器用来携带 ID、主题和类型的 JSON，这些是 WebSocket 没有的。";
        /// The same, and what a frame of the data alone would have.
        beside_socket_alone(beside, bytes): "{0} A frame with nothing but the data would have {1}.", "{0}只含数据的帧有 {1} 字节。";

        /// Button of a connection that is open, or opens.
        close: "Close", "关闭";
        /// Button of one that does not.
        open_again: "Open it again", "重新打开";
        /// Button: the numbers stand still.
        pause: "Pause", "暂停";
        /// Button: the numbers go on.
        resume: "Resume", "继续";

        /// Name of the plot for those who do not see it; the sentence under it says the rest.
        race_plot: "Bars: how often which connection was first, and by how much", "柱状图：哪个连接先收到、领先多少，各有多少次";
        /// What the plot shows.
        race_none: "No event has come over both yet.", "还没有事件同时经由两者到达。";
        /// What the plot shows.
        race(all, source, socket, same, lead):
            "Of {0} events the EventSource had {1} first and the WebSocket {2}; {3} came at the same time. {4}",
            "{0} 个事件中，EventSource 先收到 {1} 个，WebSocket 先收到 {2} 个，{3} 个同时到达。{4}";
        /// How much one leads in the middle.
        race_same: "In the middle they came at the same time.", "中位数：同时到达。";
        /// How much one leads in the middle.
        race_lead(first, time): "In the middle the {0} leads by {1} ms.", "中位数：{0} 领先 {1} 毫秒。";

        /// Said before any experiment.
        experiments_hint: "The server does each with this page’s two connections only.", "每项实验都由服务器完成，只涉及本页的这两个连接。";
        /// Button of an experiment.
        cut: "Cut both", "全部断开";
        /// Button of an experiment.
        hold: "Stop for 5 s", "停顿 5 秒";
        /// Button of an experiment.
        burst: "1,000 events", "1,000 个事件";
        /// Button of an experiment.
        refuse: "Answer 204", "返回 204";
        /// Button of an experiment.
        send: "Send something", "发送内容";
        /// How an experiment goes.
        cut_begun:
            "Both are being cut. The EventSource waits for the time that the server has set, and comes back.",
            "正在断开两个连接。EventSource 会等待服务器设定的时间，然后重新连接。";
        /// How an experiment goes.
        hold_begun: "The server sends nothing for now.", "服务器暂时不发送任何内容。";
        /// How an experiment goes.
        burst_begun: "The events are on their way.", "事件正在传送。";
        /// How an experiment goes.
        refuse_begun: "The event stream is being ended. The EventSource asks again soon.", "正在结束事件流，EventSource 很快会再次请求。";
        /// How an experiment goes.
        send_begun: "On the way.", "正在发送。";
        /// Why an experiment does not begin.
        neither_open: "Neither connection is open: open one first.", "两个连接都没有打开，请先打开一个。";
        /// Why an experiment does not begin.
        not_open(side): "The {0} is not open: open it first.", "{0} 没有打开，请先打开。";
        /// How an experiment has gone.
        cut_over(time, missed, of, socket):
            "The EventSource was back by itself after {0} s and missed {1} of {2}: the server sent what came meanwhile. {3}",
            "EventSource 在 {0} 秒后自动恢复，{2} 个事件中错过 {1} 个：其间的事件由服务器补发。{3}";
        /// How an experiment has gone.
        cut_socket_open(missed): "The WebSocket was opened again by hand and missed {0} of them.", "WebSocket 是手动重新打开的，错过了其中 {0} 个。";
        /// How an experiment has gone.
        cut_socket_closed(missed): "The WebSocket is closed and has missed {0} so far: open it again.", "WebSocket 处于关闭状态，目前已错过 {0} 个：请重新打开。";
        /// How an experiment has gone.
        hold_over(silence, missed):
            "Silence: {0}. The connections stayed open, and then came what was published meanwhile: {1}.",
            "静默时间：{0}。连接一直保持打开，随后收到了其间发布的事件：{1}。";
        /// How an experiment has gone.
        burst_over(count, times, missed): "{0} events from the first to the last: {1}; {2}.", "{0} 个事件从第一个到最后一个：{1}；{2}。";
        /// How an experiment has gone.
        refused_for_good(socket):
            "The EventSource got 204 and is closed for good: this is how a server says that nothing more will come. {0}",
            "EventSource 收到 204 后永久关闭：服务器以此表示不会再有新事件。{0}";
        /// How an experiment has gone.
        socket_goes_on: "The WebSocket went on: 204 is for the event stream alone.", "WebSocket 不受影响：204 只针对事件流。";
        /// How an experiment has gone.
        send_over(frame, post):
            "Over the WebSocket: {0}. By POST beside the EventSource: {1}.",
            "经由 WebSocket：{0}。经由 EventSource 之外的 POST：{1}。";
        /// How an experiment has gone.
        unreachable: "The server cannot be reached.", "无法连接到服务器。";
        /// How an experiment has gone.
        refused(why): "The server refused: {0}.", "服务器拒绝了请求：{0}。";
        /// A value of each connection.
        for_each(source, socket): "{0} on the EventSource, {1} on the WebSocket", "EventSource {0}，WebSocket {1}";
        /// In place of a connection's value.
        no_value: "not open", "未打开";
        /// A time.
        seconds(time): "{0} s", "{0} 秒";
        /// A time.
        milliseconds(time): "{0} ms", "{0} 毫秒";
        /// What each has missed.
        neither_missed: "neither missed any", "双方都没有错过事件";
        /// What each has missed.
        missed_by_each(source, socket): "the EventSource missed {0}, the WebSocket {1}", "EventSource 错过 {0} 个，WebSocket 错过 {1} 个";
        /// What sending cost.
        answered(time): "answered after {0} ms", "{0} 毫秒后收到应答";
        /// What sending cost.
        answered_with_bytes(bytes, time): "{0} bytes, answered after {1} ms", "{0} 字节，{1} 毫秒后收到应答";

        /// Before there is a handshake.
        no_handshake: "Nothing has been asked yet.", "还没有发出请求。";
        /// Name of a handshake.
        handshake_of(side): "Handshake of the {0}", "{0} 的握手";
        /// The size of a handshake.
        handshake_compressed: "Its heads are compressed by HTTP/2, and not counted.", "头部经 HTTP/2 压缩，没有计数。";
        /// The size of a handshake.
        handshake_asked(request): "{0} bytes asked, with all headers.", "请求 {0} 字节（含全部头部）。";
        /// The size of a handshake.
        handshake_size(request, response): "{0} bytes asked, {1} bytes answered, with all headers.", "请求 {0} 字节，响应 {1} 字节（含全部头部）。";

        /// Column of the table.
        column_holds: "What holds", "事实";
        /// Column of the table.
        column_measured: "Measured here", "本页实测";
        /// Column of the table.
        column_source: "Source", "来源";
        /// In the table where nothing is measured.
        not_measured: "not measured here", "本页未测量";
        /// What has been measured of a claim.
        measured_status(http, status): "{0}, status {1}", "{0}，状态码 {1}";
        /// What has been measured of a claim.
        measured_request(request, status): "{0} bytes, status {1}", "{0} 字节，状态码 {1}";
        /// What has been measured of a claim.
        measured_handshake(request, response, status): "{0} + {1} bytes, status {2}", "{0} + {1} 字节，状态码 {2}";
        /// What has been measured of a claim.
        cut_to_see: "cut both to see", "点“全部断开”查看";
        /// What has been measured of a claim.
        came_back(time, missed): "back after {0} s, {1} missed", "{0} 秒后恢复，错过 {1} 个";
        /// What has been measured of a claim.
        measured_events(events, requests, bytes): "{0} events by {1} requests, {2} bytes each", "{1} 次请求收到 {0} 个事件，每个 {2} 字节";
        /// What has been measured of a claim.
        measured_same: "the same time, in the middle", "中位数：同时到达";
        /// What has been measured of a claim.
        measured_lead(first, time): "{0} first by {1} ms, in the middle", "中位数：{0} 领先 {1} 毫秒";
        /// What has been measured of a claim.
        send_to_see: "send something to see", "点“发送内容”查看";
        /// What has been measured of a claim.
        versions(source, socket): "EventSource {0}, WebSocket {1}", "EventSource {0}，WebSocket {1}";
        /// Name of a command.
        command: "Command", "命令";
    }
}

texts! {
    /// What never changes on the page that compares. The server alone has it; the browser leaves it as it is.
    CompareDocumentTexts {
        /// Title of the page.
        title: "EventSource and WebSocket, measured", "实测 EventSource 与 WebSocket";
        /// Heading of the page.
        heading: "EventSource and WebSocket, side by side", "EventSource 与 WebSocket 并排对比";
        /// What one sees, and what to try.
        lede:
            "Both are open on one topic, and the server publishes a numbered event to it each second. See what each event costs, which connection has it first, and what happens when one breaks: cut both, and watch which comes back.",
            "两者都订阅了同一个主题，服务器每秒向它发布一个带编号的事件。看看每个事件占多少字节，哪个连接先收到，以及连接断开时会发生什么：点“全部断开”，看看哪个会自己恢复。";
        /// The first link of the page.
        skip: "Skip to the experiments", "跳到实验";
        /// In place of what is measured, for a reader without JavaScript, as HTML.
        without_script:
            "<p>Measuring needs JavaScript: an EventSource and a WebSocket are opened by a script. What holds of both stands below, with its sources, and two commands that open the same connections from a terminal.</p>",
            "<p>测量需要 JavaScript：EventSource 和 WebSocket 都由脚本打开。下面列出了关于两者的事实及其来源，还有两条可以在终端中打开同样连接的命令。</p>";
        /// Heading of the plot.
        race_heading: "Which had each event first?", "哪个先收到事件？";
        /// Under the left half of the plot.
        race_left: "← EventSource first", "← EventSource 先到";
        /// Under its middle.
        race_middle: "same time", "同时";
        /// Under the right half of the plot.
        race_right: "WebSocket first →", "WebSocket 先到 →";
        /// What the plot does not show.
        race_note:
            "Differences this small come from the order in which one server writes and one browser reads, not from the protocols. A burst is left out.",
            "这样小的差别来自服务器写入和浏览器读取的先后顺序，而不是协议本身。成批事件不计入。";
        /// Heading of the experiments.
        experiments: "Experiments", "实验";
        /// What will happen in an experiment.
        cut_text: "The server ends both connections. Which comes back, and what has each missed by then?", "服务器结束两个连接。哪个会恢复？到那时各自错过了多少？";
        /// What will happen in an experiment.
        hold_text: "The server sends nothing for a while. Both stay open; then everything comes at once.", "服务器暂停发送。两个连接都保持打开，之后所有事件一起到达。";
        /// What will happen in an experiment.
        burst_text: "The server publishes them at once. How long do they take on each connection?", "服务器一次全部发布。在每个连接上各需要多长时间？";
        /// What will happen in an experiment.
        refuse_text:
            "The server ends the event stream and answers the next request for it with 204: do not come back.",
            "服务器结束事件流，并对下一次请求返回 204：不要再连接。";
        /// What will happen in an experiment.
        send_text:
            "Five letters to the server and back: in a frame of the WebSocket, and by POST beside the EventSource.",
            "向服务器发送五个字母并等待应答：一次用 WebSocket 的帧，一次用 EventSource 之外的 POST。";
        /// Heading of the handshakes.
        handshakes: "The handshakes, as they went", "实际的握手过程";
        /// Heading of the table.
        claims: "What the article says, and what holds", "文章的说法与事实";
        /// Column of the table.
        column_claim: "The article", "文章的说法";
        /// Heading of the advice.
        advice: "When to use which", "什么时候用哪一个";
        /// Heading of the commands.
        terminal: "The same in a terminal", "在终端中查看";

        /// A claim of the article.
        simple: "3.1 EventSource is simple: HTTP, and no complex handshake.", "3.1 EventSource 简单：基于 HTTP，握手不复杂。";
        /// What holds.
        simple_holds:
            "Right. It asks by an ordinary GET, and the response is an ordinary one that does not end.",
            "正确。它发出普通的 GET 请求，响应也是普通的响应，只是不会结束。";
        /// A claim of the article.
        reconnects: "3.1 It reconnects by itself.", "3.1 它会自动重连。";
        /// What holds.
        reconnects_holds:
            "Right after a loss, and after an end. It waits for as long as the server’s retry field says and sends Last-Event-ID, so the server can send what was missed. After 204, any other status than 200, or another content type it stays closed.",
            "在连接中断或结束之后确实如此。它按服务器 retry 字段给出的时间等待，并发送 Last-Event-ID，服务器因此可以补发错过的事件。收到 204、200 以外的状态码或其他内容类型之后，它会一直关闭。";
        /// A claim of the article.
        light: "3.1 It is light: it uses long polling, and suits low bandwidth.", "3.1 它轻量：使用长轮询，适合低带宽。";
        /// What holds.
        light_holds:
            "Light, but not by long polling. Long polling answers every message by a response of its own, after which the client asks again. An EventSource asks once, and the one response goes on: an event costs its field names, its id and, on HTTP/1.1, the head of a chunk.",
            "轻量，但并不是长轮询。长轮询用单独的响应回复每条消息，之后客户端再次请求。EventSource 只请求一次，同一个响应一直持续：一个事件的额外开销是字段名、ID，以及 HTTP/1.1 上的分块头。";
        /// A claim of the article.
        origins: "3.1 It works across origins.", "3.1 它支持跨域。";
        /// What holds.
        origins_holds:
            "Right, under the rules of CORS: the response allows the origin, and cookies go along only withCredentials. A WebSocket works across origins too, but no CORS protects it: the server has to look at Origin itself.",
            "正确，遵循 CORS 规则：由响应允许来源，只有设置 withCredentials 才会携带 Cookie。WebSocket 也可以跨域，但不受 CORS 保护：服务器必须自己检查 Origin。";
        /// A claim of the article.
        one_way: "3.2 It goes one way only.", "3.2 它只支持单向通信。";
        /// What holds.
        one_way_holds:
            "Right for the stream. What a page has to say goes beside it by ordinary requests; on HTTP/2 and later they share its connection.",
            "就事件流本身而言，正确。页面要发送的内容通过普通请求另行发送；在 HTTP/2 及更高版本上，它们与事件流共用一个连接。";
        /// A claim of the article.
        support: "3.2 Fewer browsers have it.", "3.2 支持它的浏览器较少。";
        /// What holds.
        support_holds:
            "No longer: every current browser has it. Edge was the last to get it, in January 2020. Internet Explorer never had it; it had the WebSocket.",
            "已经过时：现在的浏览器全都支持。Edge 最晚，于 2020 年 1 月加入支持。Internet Explorer 从未支持 EventSource，但支持 WebSocket。";
        /// A claim of the article.
        two_way: "3.3 WebSocket goes both ways on one connection.", "3.3 WebSocket 在同一连接上双向通信。";
        /// What holds.
        two_way_holds: "Right: after the handshake either side sends frames whenever it wants to.", "正确：握手之后，任何一方都可以随时发送帧。";
        /// A claim of the article.
        latency: "3.3 It has low latency, and is efficient.", "3.3 它延迟低、效率高。";
        /// What holds.
        latency_holds:
            "Right, and an EventSource is no slower: both are an open connection on which an event is one write. A frame’s head has 2 to 14 bytes. WebSocket has no ids and no types, so an application that needs them sends them in its data.",
            "正确，而 EventSource 也不慢：两者都是打开的连接，发送一个事件就是一次写入。帧头有 2 到 14 字节。WebSocket 没有 ID 和类型，需要它们的应用只能放进数据里。";
        /// A claim of the article.
        scale: "3.3 It suits large and complex applications.", "3.3 它适合复杂的大规模应用。";
        /// What holds.
        scale_holds:
            "It suits those that send much both ways. How many clients a server bears is a matter of the server: either costs it one open connection. A browser opens six HTTP/1.1 connections to a host, so many tabs with an EventSource want HTTP/2, where they are streams of one.",
            "它适合双向大量收发的应用。一台服务器能承受多少客户端取决于服务器：两者都各占一个打开的连接。浏览器对每台主机只打开六个 HTTP/1.1 连接，因此大量标签页使用 EventSource 时应采用 HTTP/2，它们在那里只是同一个连接上的多个流。";
        /// A claim of the article.
        handshake: "3.4 WebSocket’s handshake is complex.", "3.4 WebSocket 的握手过程复杂。";
        /// What holds.
        handshake_holds:
            "A little: a GET with Upgrade and a key, answered by 101 and a hash of that key. What follows is a protocol of its own, with frames, masks, pings and close codes, for which both sides need code.",
            "略微复杂：一个带有 Upgrade 和密钥的 GET 请求，以 101 和该密钥的散列值应答。之后是一套独立的协议，有帧、掩码、ping 和关闭代码，双方都需要实现。";
        /// A claim of the article.
        proxies: "3.4 Firewalls and proxies may stop it.", "3.4 它可能被防火墙和代理拦截。";
        /// What holds.
        proxies_holds:
            "Some do, above all without TLS: Upgrade is for one hop, so each proxy has to be configured to pass it on. An event stream passes wherever HTTP does, if no proxy buffers it. On HTTP/2 a WebSocket needs extended CONNECT; this server does not offer that, and a browser then opens a connection with HTTP/1.1.",
            "有时确实会，尤其是没有 TLS 的时候：Upgrade 只对一跳有效，每个代理都要配置为转发它。只要没有代理缓冲，HTTP 能到达的地方事件流都能到达。在 HTTP/2 上 WebSocket 需要扩展的 CONNECT；本服务器不提供，浏览器会改用 HTTP/1.1 打开连接。";

        /// For what.
        news: "News from the server:", "来自服务器的消息：";
        /// Which.
        news_which:
            "prices, notifications, progress, a model’s answer as it grows. EventSource: it comes back and resumes by itself.",
            "报价、通知、进度、逐字生成的模型回答。用 EventSource：它会自动重连并续传。";
        /// For what.
        seldom: "The page answers now and then:", "页面偶尔需要回应：";
        /// Which.
        seldom_which: "EventSource, and POST beside it.", "用 EventSource，另外用 POST 发送。";
        /// For what.
        often: "Both sides send many times a second:", "双方每秒多次收发：";
        /// Which.
        often_which: "a game, a drawing board, a remote terminal. WebSocket.", "游戏、画板、远程终端。用 WebSocket。";
        /// For what.
        binary: "Bytes that are no text:", "不是文本的数据：";
        /// Which.
        binary_which: "WebSocket; an event stream is UTF-8.", "用 WebSocket；事件流是 UTF-8 文本。";
        /// For what.
        own: "A header of your own, or a POST that starts the stream:", "需要自定义请求头，或用 POST 开始事件流：";
        /// Which.
        own_which: "neither can. Read the event stream with fetch, and reconnect yourself.", "两者都做不到。用 fetch 读取事件流，并自己实现重连。";
    }
}

/// In place of a number that is not there yet.
pub const NONE: &str = "–";

/// The bounds between the bars of one half of the plot, from the middle on.
pub const RACE_BOUNDS: [&str; 6] = ["0.1", "0.3", "1", "3", "10", "30 ms"];

/// The head of a server’s frame with up to 125 bytes; RFC 6455, section 5.2.
const FRAME_HEAD: u64 = 2;

/// Name of a connection, which is the standard's in every language.
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::EventSource => "EventSource",
        Side::WebSocket => "WebSocket",
    }
}

impl Texts {
    /// What a connection is doing, in one word.
    pub fn link_word(&self, link: Link) -> &'static str {
        match link {
            Link::Waiting => self.compare.waiting(),
            Link::Connecting => self.compare.connecting(),
            Link::Open => self.compare.open(),
            Link::Reconnecting => self.compare.reconnecting(),
            Link::Lost => self.compare.lost(),
            Link::Closed => self.compare.closed(),
        }
    }

    /// The same in a sentence.
    pub fn link_detail(&self, side: Side, link: Link) -> &'static str {
        match (side, link) {
            (_, Link::Waiting) => self.compare.waiting_detail(),
            (_, Link::Connecting) => self.compare.connecting_detail(),
            (Side::EventSource, Link::Open) => self.compare.source_open_detail(),
            (Side::WebSocket, Link::Open) => self.compare.socket_open_detail(),
            (Side::EventSource, Link::Reconnecting) => self.compare.source_reconnecting_detail(),
            (Side::WebSocket, Link::Reconnecting) => self.compare.socket_reconnecting_detail(),
            (Side::EventSource, Link::Lost) => self.compare.source_lost_detail(),
            (Side::WebSocket, Link::Lost) => self.compare.socket_lost_detail(),
            (_, Link::Closed) => self.compare.closed_detail(),
        }
    }

    /// The bytes on the wire for one event, and how many of them are its data.
    pub fn bytes_of_each(&self, counted: &Counted) -> String {
        if counted.messages == 0 {
            return NONE.to_owned();
        }
        let [bytes, data] =
            [counted.message_bytes, counted.data_bytes].map(|bytes| number(each(bytes, counted)));
        self.compare.bytes_of_each(&bytes, &data)
    }

    /// What an event has beside its data on this connection.
    pub fn beside(&self, side: Side, counted: &Counted) -> String {
        let beside = match side {
            Side::EventSource => return self.compare.beside_source().to_owned(),
            Side::WebSocket => self.compare.beside_socket(),
        };
        if counted.messages == 0 {
            return beside.to_owned();
        }
        let alone = number(FRAME_HEAD + each(counted.data_bytes, counted));
        self.compare.beside_socket_alone(beside, &alone)
    }

    /// Button: the numbers stand still, or go on.
    pub fn pause_or_resume(&self, is_paused: bool) -> &'static str {
        if is_paused {
            self.compare.resume()
        } else {
            self.compare.pause()
        }
    }

    /// What the plot shows.
    pub fn race(&self, race: &Race) -> String {
        let [source, socket] = race.first;
        let all = source + socket + race.same;
        if all == 0 {
            return self.compare.race_none().to_owned();
        }
        let lead = match lead(race.median) {
            None => self.compare.race_same().to_owned(),
            Some((first, time)) => self.compare.race_lead(first, &time),
        };
        let [all, source, socket, same] = [all, source, socket, race.same].map(number);
        self.compare.race(&all, &source, &socket, &same, &lead)
    }

    /// Button of an experiment.
    pub fn attempt(&self, attempt: Attempt) -> &'static str {
        match attempt {
            Attempt::Experiment(Experiment::Cut) => self.compare.cut(),
            Attempt::Experiment(Experiment::Hold) => self.compare.hold(),
            Attempt::Experiment(Experiment::Burst) => self.compare.burst(),
            Attempt::Experiment(Experiment::Refuse) => self.compare.refuse(),
            Attempt::Send => self.compare.send(),
        }
    }

    /// What will happen in an experiment.
    pub fn attempt_text(&self, attempt: Attempt) -> &'static str {
        match attempt {
            Attempt::Experiment(Experiment::Cut) => self.compare_document.cut_text(),
            Attempt::Experiment(Experiment::Hold) => self.compare_document.hold_text(),
            Attempt::Experiment(Experiment::Burst) => self.compare_document.burst_text(),
            Attempt::Experiment(Experiment::Refuse) => self.compare_document.refuse_text(),
            Attempt::Send => self.compare_document.send_text(),
        }
    }

    /// How an attempt goes, or has gone.
    pub fn outcome(&self, outcome: &Outcome) -> String {
        let texts = &self.compare;
        match outcome {
            Outcome::Begun(attempt) => self.begun(*attempt).to_owned(),
            Outcome::NotOpen(None) => texts.neither_open().to_owned(),
            Outcome::NotOpen(Some(of)) => texts.not_open(side(*of)),
            Outcome::CutOver {
                after,
                missed,
                of,
                is_socket_open,
            } => {
                let [source, socket] = missed.map(number);
                let socket = if *is_socket_open {
                    texts.cut_socket_open(&socket)
                } else {
                    texts.cut_socket_closed(&socket)
                };
                texts.cut_over(&seconds(*after), &source, &number(*of), &socket)
            }
            Outcome::HoldOver { silence, missed } => {
                let silence =
                    silence.map(|silence| (silence > 0).then(|| texts.seconds(&seconds(silence))));
                texts.hold_over(&self.for_each(silence), &self.missed_by_each(*missed))
            }
            Outcome::BurstOver { took, missed } => {
                let took = took.map(|took| took.map(|took| texts.milliseconds(&tenths(took))));
                texts.burst_over(
                    &number(BURST_EVENTS as u64),
                    &self.for_each(took),
                    &self.missed_by_each(*missed),
                )
            }
            Outcome::RefusedForGood { is_socket_open } => {
                let socket = if *is_socket_open {
                    texts.socket_goes_on()
                } else {
                    ""
                };
                texts.refused_for_good(socket).trim_end().to_owned()
            }
            Outcome::SendOver([by_post, by_frame]) => {
                let text = |sent: &Option<Sent>| sent.as_ref().map(|sent| self.sent(sent));
                let by_frame = text(by_frame).unwrap_or_else(|| texts.no_value().to_owned());
                texts.send_over(&by_frame, &text(by_post).unwrap_or_default())
            }
            Outcome::NotDone(None) => texts.unreachable().to_owned(),
            Outcome::NotDone(Some(refusal)) => texts.refused(&self.refusal(refusal)),
        }
    }

    fn begun(&self, attempt: Attempt) -> &'static str {
        match attempt {
            Attempt::Experiment(Experiment::Cut) => self.compare.cut_begun(),
            Attempt::Experiment(Experiment::Hold) => self.compare.hold_begun(),
            Attempt::Experiment(Experiment::Burst) => self.compare.burst_begun(),
            Attempt::Experiment(Experiment::Refuse) => self.compare.refuse_begun(),
            Attempt::Send => self.compare.send_begun(),
        }
    }

    fn for_each(&self, values: [Option<String>; 2]) -> String {
        let [source, socket] =
            values.map(|value| value.unwrap_or_else(|| self.compare.no_value().to_owned()));
        self.compare.for_each(&source, &socket)
    }

    fn missed_by_each(&self, missed: [u64; 2]) -> String {
        if missed == [0, 0] {
            return self.compare.neither_missed().to_owned();
        }
        let [source, socket] = missed.map(number);
        self.compare.missed_by_each(&source, &socket)
    }

    /// What sending cost.
    fn sent(&self, sent: &Sent) -> String {
        let time = tenths(sent.tenths);
        match sent.bytes {
            0 => self.compare.answered(&time),
            bytes => self.compare.answered_with_bytes(&number(bytes), &time),
        }
    }

    /// The lines of a handshake that matter.
    pub fn handshake(&self, counted: &Counted) -> String {
        if counted.request.is_empty() {
            return self.compare.no_handshake().to_owned();
        }
        format!("{}\n\n{}", counted.request, counted.response)
    }

    /// The size of a handshake.
    pub fn handshake_size(&self, counted: &Counted) -> String {
        let [request, response] = [counted.request_bytes, counted.response_bytes];
        match (request, response) {
            _ if counted.request.is_empty() => NONE.to_owned(),
            (0, _) => self.compare.handshake_compressed().to_owned(),
            (_, 0) => self.compare.handshake_asked(&number(request)),
            _ => self
                .compare
                .handshake_size(&number(request), &number(response)),
        }
    }

    /// What has been measured of a claim.
    pub fn measured(&self, of: Measured, shown: &Shown) -> String {
        let texts = &self.compare;
        let none = || NONE.to_owned();
        let counted = |side: Side| &shown.sides[side.index()].counted;
        match of {
            Measured::Nothing => texts.not_measured().to_owned(),
            Measured::Handshake(side) => {
                let counted = counted(side);
                let status = counted.status.to_string();
                let [request, response] =
                    [counted.request_bytes, counted.response_bytes].map(number);
                match (
                    counted.status,
                    counted.request_bytes,
                    counted.response_bytes,
                ) {
                    (0, ..) => none(),
                    (_, 0, _) => texts.measured_status(&counted.http, &status),
                    (_, _, 0) => texts.measured_request(&request, &status),
                    _ => texts.measured_handshake(&request, &response, &status),
                }
            }
            Measured::CameBack => match shown.came_back {
                None => texts.cut_to_see().to_owned(),
                Some((after, missed)) => texts.came_back(&seconds(after), &number(missed)),
            },
            Measured::EachEvent => {
                let counted = counted(Side::EventSource);
                if counted.messages == 0 {
                    return none();
                }
                let bytes = each(counted.message_bytes, counted);
                let [messages, opened, bytes] =
                    [counted.messages, counted.opened, bytes].map(number);
                texts.measured_events(&messages, &opened, &bytes)
            }
            Measured::Race => match shown.race {
                Race {
                    first: [0, 0],
                    same: 0,
                    ..
                } => none(),
                Race { median, .. } => match lead(median) {
                    None => texts.measured_same().to_owned(),
                    Some((first, time)) => texts.measured_lead(first, &time),
                },
            },
            Measured::Sent(side) => match &shown.sent[side.index()] {
                None => texts.send_to_see().to_owned(),
                Some(sent) => self.sent(sent),
            },
            Measured::Versions => {
                let of = |OfSide { counted, .. }: &OfSide| match counted.http.as_str() {
                    "" => none(),
                    http => http.to_owned(),
                };
                let [source, socket] = &shown.sides;
                texts.versions(&of(source), &of(socket))
            }
        }
    }
}

/// All bytes after the head of the response.
pub fn bytes_in_all(counted: &Counted) -> String {
    match counted.opened {
        0 => NONE.to_owned(),
        _ => number(counted.message_bytes + counted.other_bytes),
    }
}

fn each(bytes: u64, counted: &Counted) -> u64 {
    (bytes + counted.messages / 2) / counted.messages.max(1)
}

/// Which connection leads, and by how many milliseconds; `None` if neither does.
fn lead(median: i32) -> Option<(&'static str, String)> {
    let first = match median {
        0 => return None,
        1.. => Side::EventSource,
        _ => Side::WebSocket,
    };
    Some((side(first), tenths(u64::from(median.unsigned_abs()))))
}

/// A claim of the article, and what holds.
pub struct Claim {
    /// Where the article says it, and what.
    pub says: fn(CompareDocumentTexts) -> &'static str,
    /// What is right.
    pub holds: fn(CompareDocumentTexts) -> &'static str,
    /// What this page measures of it.
    pub measured: Measured,
    /// Where it stands: names and addresses.
    pub sources: &'static [(&'static str, &'static str)],
}

/// What the page measures of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// The size of a connection's handshake.
    Handshake(Side),
    /// How the EventSource came back.
    CameBack,
    /// What an event costs on each.
    EachEvent,
    /// Which was first.
    Race,
    /// What sending took.
    Sent(Side),
    /// Over which version of HTTP each came.
    Versions,
    /// Nothing.
    Nothing,
}

const SSE: (&str, &str) = (
    "WHATWG HTML 9.2",
    "https://html.spec.whatwg.org/multipage/server-sent-events.html",
);
const MDN: (&str, &str) = (
    "MDN: EventSource",
    "https://developer.mozilla.org/en-US/docs/Web/API/EventSource",
);

/// The claims, in the article's order.
pub const CLAIMS: [Claim; 11] = [
    Claim {
        says: CompareDocumentTexts::simple,
        holds: CompareDocumentTexts::simple_holds,
        measured: Measured::Handshake(Side::EventSource),
        sources: &[
            SSE,
            (
                "RFC 9112, 7.1",
                "https://www.rfc-editor.org/rfc/rfc9112#section-7.1",
            ),
        ],
    },
    Claim {
        says: CompareDocumentTexts::reconnects,
        holds: CompareDocumentTexts::reconnects_holds,
        measured: Measured::CameBack,
        sources: &[SSE],
    },
    Claim {
        says: CompareDocumentTexts::light,
        holds: CompareDocumentTexts::light_holds,
        measured: Measured::EachEvent,
        sources: &[
            SSE,
            (
                "RFC 6202, 2",
                "https://www.rfc-editor.org/rfc/rfc6202#section-2",
            ),
        ],
    },
    Claim {
        says: CompareDocumentTexts::origins,
        holds: CompareDocumentTexts::origins_holds,
        measured: Measured::Nothing,
        sources: &[
            SSE,
            (
                "RFC 6455, 10.2",
                "https://www.rfc-editor.org/rfc/rfc6455#section-10.2",
            ),
        ],
    },
    Claim {
        says: CompareDocumentTexts::one_way,
        holds: CompareDocumentTexts::one_way_holds,
        measured: Measured::Sent(Side::EventSource),
        sources: &[
            SSE,
            (
                "RFC 9113, 5",
                "https://www.rfc-editor.org/rfc/rfc9113#section-5",
            ),
        ],
    },
    Claim {
        says: CompareDocumentTexts::support,
        holds: CompareDocumentTexts::support_holds,
        measured: Measured::Nothing,
        sources: &[MDN],
    },
    Claim {
        says: CompareDocumentTexts::two_way,
        holds: CompareDocumentTexts::two_way_holds,
        measured: Measured::Sent(Side::WebSocket),
        sources: &[(
            "RFC 6455, 1.2",
            "https://www.rfc-editor.org/rfc/rfc6455#section-1.2",
        )],
    },
    Claim {
        says: CompareDocumentTexts::latency,
        holds: CompareDocumentTexts::latency_holds,
        measured: Measured::Race,
        sources: &[(
            "RFC 6455, 5.2",
            "https://www.rfc-editor.org/rfc/rfc6455#section-5.2",
        )],
    },
    Claim {
        says: CompareDocumentTexts::scale,
        holds: CompareDocumentTexts::scale_holds,
        measured: Measured::Versions,
        sources: &[
            MDN,
            (
                "RFC 9113, 5.1.2",
                "https://www.rfc-editor.org/rfc/rfc9113#section-5.1.2",
            ),
        ],
    },
    Claim {
        says: CompareDocumentTexts::handshake,
        holds: CompareDocumentTexts::handshake_holds,
        measured: Measured::Handshake(Side::WebSocket),
        sources: &[
            (
                "RFC 6455, 4",
                "https://www.rfc-editor.org/rfc/rfc6455#section-4",
            ),
            (
                "RFC 9110, 7.8",
                "https://www.rfc-editor.org/rfc/rfc9110#section-7.8",
            ),
        ],
    },
    Claim {
        says: CompareDocumentTexts::proxies,
        holds: CompareDocumentTexts::proxies_holds,
        measured: Measured::Versions,
        sources: &[
            ("RFC 8441", "https://www.rfc-editor.org/rfc/rfc8441"),
            (
                "RFC 9110, 7.8",
                "https://www.rfc-editor.org/rfc/rfc9110#section-7.8",
            ),
        ],
    },
];

/// The advice: for what, and which.
pub fn advice(texts: CompareDocumentTexts) -> [(&'static str, &'static str); 5] {
    [
        (texts.news(), texts.news_which()),
        (texts.seldom(), texts.seldom_which()),
        (texts.often(), texts.often_which()),
        (texts.binary(), texts.binary_which()),
        (texts.own(), texts.own_which()),
    ]
}

/// The command that opens the WebSocket, and shows its handshake and its frames as bytes.
pub fn socket_command(url: &str) -> String {
    format!(
        "curl -N --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' --output - {url}"
    )
}

/// Milliseconds as seconds with one digit behind the point.
fn seconds(milliseconds: u64) -> String {
    tenths((milliseconds + 50) / 100)
}

/// A number of tenths.
fn tenths(tenths: u64) -> String {
    format!("{}.{}", number(tenths / 10), tenths % 10)
}

const _: () = assert!(
    HOLD_SECONDS == 5 && BURST_EVENTS == 1_000,
    "buttons name them"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::locale::Locale;
    use crate::protocol::page::Refusal;

    fn english() -> &'static Texts {
        Texts::of(Locale::English)
    }

    fn chinese() -> &'static Texts {
        Texts::of(Locale::Chinese)
    }

    #[test]
    fn an_outcome_says_what_each_connection_did() {
        let cut = Outcome::CutOver {
            after: 2_104,
            missed: [0, 3],
            of: 3,
            is_socket_open: false,
        };
        assert_eq!(
            english().outcome(&cut),
            "The EventSource was back by itself after 2.1 s and missed 0 of 3: the server sent what came meanwhile. \
             The WebSocket is closed and has missed 3 so far: open it again."
        );
        assert_eq!(
            chinese().outcome(&cut),
            "EventSource 在 2.1 秒后自动恢复，3 个事件中错过 0 个：其间的事件由服务器补发。\
             WebSocket 处于关闭状态，目前已错过 3 个：请重新打开。"
        );
        let burst = Outcome::BurstOver {
            took: [Some(345), None],
            missed: [0, 1_000],
        };
        assert_eq!(
            english().outcome(&burst),
            "1,000 events from the first to the last: 34.5 ms on the EventSource, not open on the WebSocket; \
             the EventSource missed 0, the WebSocket 1,000."
        );
        assert_eq!(
            chinese().outcome(&burst),
            "1,000 个事件从第一个到最后一个：EventSource 34.5 毫秒，WebSocket 未打开；\
             EventSource 错过 0 个，WebSocket 错过 1,000 个。"
        );
        let hold = Outcome::HoldOver {
            silence: [5_012, 5_030],
            missed: [0, 0],
        };
        assert!(
            english()
                .outcome(&hold)
                .starts_with("Silence: 5.0 s on the EventSource, 5.0 s on")
        );
        assert_eq!(
            chinese().outcome(&hold),
            "静默时间：EventSource 5.0 秒，WebSocket 5.0 秒。连接一直保持打开，随后收到了其间发布的事件：双方都没有错过事件。"
        );
        let sent = |tenths, bytes| Some(Sent { tenths, bytes });
        assert_eq!(
            english().outcome(&Outcome::SendOver([sent(21, 412), sent(8, 11)])),
            "Over the WebSocket: 11 bytes, answered after 0.8 ms. By POST beside the EventSource: 412 bytes, answered after 2.1 ms."
        );
        assert_eq!(
            english().outcome(&Outcome::NotDone(None)),
            "The server cannot be reached."
        );
        let refusal = Refusal {
            status: 429,
            code: "rate-limited".to_owned(),
            detail: "wait a moment".to_owned(),
        };
        let refused = Outcome::NotDone(Some(refusal));
        assert_eq!(
            english().outcome(&refused),
            "The server refused: wait a moment."
        );
        assert_eq!(
            chinese().outcome(&refused),
            "服务器拒绝了请求：请求过于频繁。"
        );
        assert_eq!(
            english().outcome(&Outcome::RefusedForGood {
                is_socket_open: false
            }),
            "The EventSource got 204 and is closed for good: this is how a server says that nothing more will come."
        );
    }

    #[test]
    fn the_race_says_which_was_first_how_often_and_the_median() {
        let race = Race {
            first: [1_200, 30],
            same: 4,
            median: 3,
            ..Race::default()
        };
        assert_eq!(
            english().race(&race),
            "Of 1,234 events the EventSource had 1,200 first and the WebSocket 30; 4 came at the same time. \
             In the middle the EventSource leads by 0.3 ms."
        );
        assert!(
            chinese()
                .race(&race)
                .ends_with("中位数：EventSource 领先 0.3 毫秒。")
        );
        assert_eq!(
            english().race(&Race::default()),
            "No event has come over both yet."
        );
    }

    #[test]
    fn bytes_are_those_of_one_event_and_of_all() {
        let counted = Counted {
            opened: 1,
            messages: 3,
            message_bytes: 281,
            data_bytes: 120,
            other_bytes: 50,
            ..Counted::default()
        };
        assert_eq!(english().bytes_of_each(&counted), "94 (40 of data)");
        assert_eq!(bytes_in_all(&counted), "331");
        assert_eq!(english().bytes_of_each(&Counted::default()), NONE);
    }

    #[test]
    fn a_claim_shows_what_was_measured_and_says_where_nothing_was() {
        let mut shown = Shown::default();
        let measured = |claim: &Claim, shown: &Shown| english().measured(claim.measured, shown);
        assert_eq!(measured(&CLAIMS[0], &shown), NONE);
        shown.sides[0].counted = Counted {
            http: "HTTP/1.1".to_owned(),
            status: 200,
            request_bytes: 1_012,
            response_bytes: 210,
            ..Counted::default()
        };
        assert_eq!(
            measured(&CLAIMS[0], &shown),
            "1,012 + 210 bytes, status 200"
        );
        assert_eq!(
            measured(&CLAIMS[8], &shown),
            "EventSource HTTP/1.1, WebSocket –"
        );
        shown.sides[0].counted.request_bytes = 0;
        shown.sides[0].counted.http = "HTTP/2".to_owned();
        assert_eq!(measured(&CLAIMS[0], &shown), "HTTP/2, status 200");
        shown.came_back = Some((2_149, 0));
        assert_eq!(measured(&CLAIMS[1], &shown), "back after 2.1 s, 0 missed");
        let in_chinese = |claim: &Claim| chinese().measured(claim.measured, &shown);
        assert_eq!(in_chinese(&CLAIMS[0]), "HTTP/2，状态码 200");
        assert_eq!(in_chinese(&CLAIMS[1]), "2.1 秒后恢复，错过 0 个");
        assert_eq!(in_chinese(&CLAIMS[3]), "本页未测量");
        for claim in &CLAIMS {
            assert!(!claim.sources.is_empty() && !measured(claim, &shown).is_empty());
            for texts in [english(), chinese()] {
                let document = texts.compare_document;
                assert_ne!((claim.says)(document), (claim.holds)(document));
            }
        }
    }
}
