//! What the page of notifications says. Only the server renders it; its script finds its words in the document.

use super::texts;

texts! {
    /// The page of notifications.
    NotificationsTexts {
        /// What one sees and what to try.
        lede:
            "A topic of this browser alone, whose name is a secret. Publish to it with the form or with curl, now or later; every tab here shows it.",
            "一个只属于此浏览器的主题，名称无法猜到。无论现在还是稍后发布，无论用表单还是 curl，通知都会出现在此浏览器的每个标签页中。";
        /// In place of what needs JavaScript.
        without_script:
            "Without JavaScript, load the page again to see what has come.",
            "没有 JavaScript 时，请重新加载页面以查看新通知。";
        /// Link that loads the page again.
        reload: "Reload", "重新加载";
        /// Link that skips what stands before the list.
        skip: "Skip to the notifications", "跳到通知列表";
        /// Heading of the list.
        inbox: "Inbox", "收件箱";
        /// How many are unread; the script puts the number in place of the sign.
        unread: "# unread", "# 条未读";
        /// Button.
        read_all: "Mark all as read", "全部标为已读";
        /// Button of one that is unread.
        read_one: "Mark as read", "标为已读";
        /// For screen readers, before one that is unread.
        is_unread: "Unread:", "未读：";
        /// In place of the list.
        none: "No notifications yet. Make one, and it appears here.", "还没有通知。新建一条，它就会出现在这里。";
        /// Behind the list, if it has not all.
        older: "Earlier ones", "更早的通知";
        /// Where the subscription stands.
        connecting: "Connecting", "连接中";
        /// Where the subscription stands.
        live: "Live: new ones appear by themselves.", "实时：新通知会自动出现。";
        /// Where the subscription stands.
        lost: "Not live: the server does not answer. Trying again.", "已中断：服务器没有响应，正在重试。";
        /// Where the subscription stands.
        refused: "Not live: the server refuses.", "已中断：服务器拒绝了请求。";
        /// Where the subscription stands.
        ended: "This topic has ended. Reload the page: it gives the browser a new one.", "此主题已结束。请重新加载页面以获得新的主题。";
        /// One has come.
        new_one: "New: #", "新通知：#";
        /// Several have come; the script puts the number in place of the sign.
        new_ones: "# new notifications", "# 条新通知";
        /// Some are missing.
        gap: "Some are missing: the server no longer keeps them.", "缺少部分通知：服务器已不再保留它们。";

        /// Heading of the form.
        make: "Make a notification", "新建通知";
        /// Label of the field.
        text: "Text", "内容";
        /// What stands in the field at first.
        example: "The tea has drawn", "茶泡好了";
        /// Label of the choice of a time.
        when: "When", "时间";
        /// A time.
        now: "Now", "现在";
        /// A time.
        in_10_seconds: "In 10 seconds", "10 秒后";
        /// A time.
        in_1_minute: "In 1 minute", "1 分钟后";
        /// A time.
        in_10_minutes: "In 10 minutes", "10 分钟后";
        /// A time.
        in_1_hour: "In 1 hour", "1 小时后";
        /// Button.
        notify: "Notify", "发送";
        /// What became of it.
        sent: "Sent.", "已发送。";
        /// What became of it.
        is_scheduled: "Scheduled.", "已定时。";
        /// What became of it; the server's words follow.
        not_sent: "Not done:", "未能完成：";
        /// There was no answer.
        unreachable: "Not done: the server does not answer.", "未能完成：服务器没有响应。";

        /// Button that asks the browser for its permission.
        allow: "Notify me while this page is in the background", "页面在后台时也通知我";
        /// The browser has given it.
        allowed: "While no tab with this page is visible, your system shows new notifications.", "当此页面的标签页都在后台时，新通知由系统显示。";
        /// The browser has refused it.
        denied: "The browser does not allow this page to show system notifications.", "浏览器不允许此页面显示系统通知。";

        /// The browser has no system notifications for a page, or not for one without TLS.
        cannot: "This browser shows no system notifications for this page.", "此浏览器无法为此页面显示系统通知。";

        /// Heading of what is scheduled.
        scheduled: "Scheduled", "定时通知";
        /// In place of the list.
        none_scheduled: "Nothing is scheduled.", "暂无定时通知。";
        /// In place of the list, on a server that has no schedule.
        no_schedule: "This server cannot publish later: it shares its log through nats-server.", "本服务器不支持定时发布，因为日志由 nats-server 保存。";
        /// What the list leaves out.
        more_scheduled(count): "{0} more are scheduled.", "另有 {0} 条定时通知。";
        /// Button of one that is scheduled.
        cancel: "Cancel", "取消";

        /// Above a command.
        to_read: "Read what comes:", "读取通知：";
        /// Above a command.
        to_publish: "Publish, now or later (in or at):", "立即或稍后发布（in 或 at）：";
        /// Above a command.
        to_list: "See what is scheduled; DELETE on its url cancels one:", "查看定时通知；对其 url 发送 DELETE 即可取消：";
        /// Above a command, on a server that has no schedule.
        to_publish_now: "Publish:", "发布：";
        /// Above a command, on a server that has no schedule.
        to_look: "See what has come:", "查看已有的通知：";
        /// Heading.
        source: "The same in a page of yours", "在你的页面中实现";
        /// Text under it.
        source_text: "The script of this page is", "此页面的脚本是";
    }
}
