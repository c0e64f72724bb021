//! What the page of help says. Only the server renders it. Its commands and programs are in [`crate::app::examples`].

use super::texts;

texts! {
    /// The page of help.
    HelpTexts {
        /// What a topic is.
        topics_are_urls:
            "Every URL /topics/NAME of this server is a topic. A browser gets its page, a program its stream of events, and a POST publishes to it.",
            "本服务器的每个 URL /topics/NAME 都是一个主题：浏览器得到它的页面，程序得到它的事件流，POST 请求则向它发布事件。";
        /// Link.
        example_page: "The topic kitchen", "主题 kitchen";
        /// Link.
        all_topics: "All topics", "全部主题";
        /// Accessible name of a command or program.
        example: "Example", "示例";

        /// Heading.
        read: "Read", "读取";
        /// Text under it.
        read_text:
            "In a terminal, or in a page of any origin. An EventSource reconnects by itself and gets what it missed.",
            "可以在终端中读取，也可以在任何来源的网页中读取。EventSource 会自动重连，并补上错过的事件。";
        /// Heading.
        publish: "Publish", "发布";
        /// Text under it.
        publish_text:
            "With anything that speaks HTTP. The body is the event’s text; ?type=NAME gives it a type. Where a token is needed, it goes into a header.",
            "任何能发送 HTTP 请求的工具都可以发布。请求体就是事件的文本，?type=NAME 指定事件类型。需要令牌时，将其放在请求头中。";
        /// Heading.
        state: "The state, then what follows", "先取快照，再接收后续事件";
        /// Text under it.
        state_text:
            "A snapshot says where its stream goes on, so nothing is missed and nothing comes twice. After a gap, events are missing that the server no longer keeps: begin again.",
            "快照会指明事件流从哪里继续，因此既不会遗漏，也不会重复。收到 gap 事件，说明缺少了服务器已不再保留的事件：请重新开始。";
        /// Heading.
        streamed: "A text that grows, such as a model’s answer", "逐步生成的文本，例如模型的回答";
        /// Text under it.
        streamed_text:
            "Each line of JSON is published as it arrives. A reader gets the whole text with last_event_id=earliest, after a reload and after the end as well. DELETE ends the topic.",
            "每行 JSON 一到达就会发布。读者使用 last_event_id=earliest 可以得到全文，重新加载之后和主题结束之后也是如此。DELETE 请求结束主题。";
        /// Heading.
        several: "Several topics on one connection", "一个连接订阅多个主题";
        /// Text under it.
        several_text:
            "Before each event comes one of type topic, which names where the event is from.",
            "每个事件之前都有一个类型为 topic 的事件，指明该事件来自哪个主题。";
        /// Heading.
        run: "Run a server", "运行服务器";
        /// Text under it.
        run_text:
            "Fairwind is one file. The first command lists its settings. The second starts a server of your own on another port, to which programs of the same machine publish without a token.",
            "Fairwind 只有一个文件。第一条命令列出它的设置；第二条命令在另一个端口启动你自己的服务器，本机的程序无需令牌即可向它发布。";
    }
}
