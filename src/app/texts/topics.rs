//! What the list of topics says. Only the server renders it; its script finds its words in the document.

use super::{number_of, texts};

texts! {
    /// The list of topics.
    TopicsTexts {
        /// In place of the list, where the reader may not see it.
        closed(why):
            "The list is not shown: {0}. A topic whose name you know opens above.",
            "列表不能显示：{0}。如果知道主题的名称，可以在上方打开。";
        /// The list when there is no topic.
        empty:
            "No topic is alive. A topic comes into being with its first event or its first reader: open one above.",
            "目前没有主题。有了第一个事件或第一个订阅者，主题就会出现：可以在上方打开一个。";
        /// Beside the list, while it is live.
        live: "Live: the list updates itself every few seconds.", "实时：列表每隔几秒自动更新。";
        /// The same while the reader has paused it.
        paused: "Paused: the list stays as it is.", "已暂停：列表保持不变。";
        /// The same while the server does not answer.
        lost: "Not live: the server does not answer. Trying again.", "已中断：服务器没有响应，正在重试。";
        /// Link that makes the list anew.
        reload: "Reload", "重新加载";
        /// Link that has the list loaded again and again.
        refresh(seconds): "Refresh every {0} s", "每 {0} 秒刷新";
        /// Link that ends that.
        stop: "Stop refreshing", "停止刷新";
        /// Label of the field that opens a topic.
        open_label: "Open a topic, or start one, by its name", "按名称打开或新建主题";
        /// Button beside that field.
        open: "Open", "打开";
        /// Why a name cannot be opened.
        not_opened(why): "{0}", "{0}。";
        /// Column of the list.
        topic: "Topic", "主题";
        /// Column of the list.
        events: "Events kept", "保留的事件";
        /// Column of the list.
        subscribers: "Watching", "订阅者";
        /// Column of the list.
        newest: "Last event", "最近的事件";
        /// Behind the name of a topic that has ended.
        ended: "ended", "已结束";
        /// What the list shows.
        moment(moment): "What was alive at {0}.", "{0} 时的主题。";
        /// What it leaves out.
        left_out(count):
            " {0} more are not shown; all of them are there as JSON.",
            "另有 {0} 个没有显示；完整的列表可以通过 JSON 获取。";
    }
}

impl TopicsTexts {
    /// What the list shows and leaves out.
    pub fn moment_and_rest(self, moment: &str, left_out: usize) -> String {
        let rest = match left_out {
            0 => String::new(),
            _ => self.left_out(&number_of(left_out)),
        };
        [self.moment(moment), rest].concat()
    }
}
