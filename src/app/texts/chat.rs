//! What the page of a chat room says. Its script finds the texts that change in the page's attributes.

use super::texts;

texts! {
    /// The page `/chat`, and that of a room.
    ChatTexts {
        /// Title and heading of the page that leads to rooms.
        title: "Chat", "聊天室";
        /// Below it.
        lede:
            "A room is a topic: messages are published to it, and arrive over EventSource. Everybody who opens the same room is in it.",
            "每个房间就是一个主题：消息发布到主题，并通过 EventSource 到达。打开同一个房间的人都在其中。";
        /// Label of the field for a room.
        room_label: "Name of a room, old or new", "房间名称（已有的或新的）";
        /// Button.
        enter: "Enter", "进入";
        /// Beside the field, if the name cannot be one.
        not_entered(why): "There can be no such room: {0}.", "无法进入这个房间：{0}。";
        /// Link that appears with the keyboard.
        skip: "Skip to the message field", "跳到消息输入框";
        /// What one sees in a room, and what to try.
        try_it:
            "Open this page in a second browser, and talk to yourself. A message that does not get through stays marked, and is sent once.",
            "在另一个浏览器中打开此页面，和自己聊聊。未能送达的消息会保留标记，并且只会发送一次。";
        /// Where there are no scripts.
        without_script:
            "<p>Without JavaScript, messages are sent by the form below, and the page shows new ones when it is loaded again.</p>",
            "<p>没有 JavaScript 时，可以用下面的表单发送消息；重新加载页面即可看到新消息。</p>";
        /// Link for that.
        reload: "Load again", "重新加载";
        /// Accessible name of the list.
        messages: "Messages", "消息";
        /// In an empty list.
        none_yet: "Nobody has written here yet.", "这里还没有人发言。";
        /// In place of a name.
        without_name: "without a name", "无名";
        /// Label of the field.
        name: "Your name", "你的名字";
        /// Below the field, where the name is that of a token.
        name_of_token: "Your name is that of your token.", "你的名字来自令牌。";
        /// Label of the field.
        message: "Message", "消息内容";
        /// Below the field.
        keys: "Enter sends, Shift and Enter begin a new line.", "按 Enter 发送，按 Shift 和 Enter 换行。";
        /// Button.
        send: "Send", "发送";
        /// Why there is no form.
        closed_to_you(why): "You cannot write here: {0}.", "你不能在这里发言：{0}。";
        /// When the topic has ended.
        room_ended: "This room has been closed.", "这个房间已关闭。";
        /// Accessible name of the list of those who are there.
        here: "Here now", "当前在线";
        /// Before their number.
        number_here: "Here now:", "当前在线：";
        /// Before a command.
        history_request: "What has been said:", "已有的消息：";
        /// Before a command.
        stream_request: "What is said from now on, and who is here:", "之后的消息，以及谁在线：";
        /// Before a command.
        publish_request: "A message:", "发送一条消息：";
        /// Link.
        source: "The script of this page", "此页面的脚本";

        /// The connection's state.
        connecting: "Connecting …", "正在连接……";
        /// The same.
        live: "Live", "实时";
        /// The same.
        polling: "A proxy holds the stream back: this page asks every few seconds.", "代理阻塞了事件流：此页面每隔几秒查询一次。";
        /// The same.
        reconnecting: "The connection is lost. It is opened again by itself.", "连接已断开，正在自动重新连接。";
        /// The same.
        refused: "The server refuses the stream.", "服务器拒绝了事件流。";
        /// Beside a message.
        sending: "sending …", "发送中……";
        /// Beside a message.
        failed: "Not sent.", "未发送。";
        /// Button beside it.
        again: "Send again", "重新发送";
        /// Among the messages.
        gap: "Some messages are missing here.", "这里缺少一些消息。";
        /// Below the messages.
        one_types(name): "{0} is writing …", "{0} 正在输入……";
        /// Below the messages.
        two_type(one, other): "{0} and {1} are writing …", "{0} 和 {1} 正在输入……";
        /// Below the messages.
        many_type: "Several people are writing …", "多人正在输入……";
        /// Button, with a number.
        new_messages(count): "{0} new", "{0} 条新消息";
        /// For screen readers, with a number.
        said_new(count): "{0} new messages", "{0} 条新消息";
    }
}
