//! What the page of answers says.

use super::{Texts, number, texts};
use crate::app::connection::Connection;
use crate::app::live::answers::AnswerState;
use crate::protocol::answers::{FailureCode, Finish, STOPPED};

texts! {
    /// What changes on the page of answers, and names of its elements. The browser has it.
    AnswersTexts {
        /// State of an answer.
        writing: "Being written", "正在生成";
        /// State of an answer.
        complete: "Complete", "已完成";
        /// State of an answer.
        stopped: "Stopped", "已停止";
        /// State of an answer.
        failed: "Broken off", "已中断";
        /// State of an answer.
        lost: "Lost", "已丢失";
        /// What more there is to say of it.
        writing_detail: "Each piece is an event. Load the page again, or open it elsewhere: it goes on where it is.", "每一段文字都是一个事件。可以重新加载本页，或者在别处打开：回答会从当前位置继续。";
        /// What more there is to say of it.
        complete_detail: "The topic has ended, so no client reconnects.", "主题已结束，客户端不再重连。";
        /// What more there is to say of it.
        stopped_detail: "The request to its source was cancelled. What is there stays, and Continue goes on from it.", "已取消向来源发出的请求。已有的内容会保留，“继续”会接着写下去。";
        /// What more there is to say of it.
        lost_detail: "The server no longer has this answer: it was restarted without a log on disk, or the history has expired. What has arrived stays on this page.", "服务器上已没有这个回答：服务器重启时没有磁盘日志，或者历史记录已过期。已到达的内容保留在本页。";
        /// After a failure.
        may_continue: "What is there stays, and Continue goes on from it.", "已有的内容会保留，“继续”会接着写下去。";
        /// After a failure of which the model's server has said how long it lasts.
        wait(seconds): "The model’s server asks clients to wait {0} s.", "模型服务器要求等待 {0} 秒。";
        /// A failure.
        unreachable: "The model’s server cannot be reached.", "无法连接到模型服务器。";
        /// A failure.
        key_refused: "The model’s server does not accept this server’s key. The operator has to give another one.", "模型服务器不接受本服务器的密钥，需要管理员更换。";
        /// A failure.
        not_found: "The model’s server has no such model or path. The operator has to check the settings.", "模型服务器上没有这个模型或路径，需要管理员检查设置。";
        /// A failure.
        busy: "The model’s server has too much to do.", "模型服务器过于繁忙。";
        /// A failure.
        upstream_failed: "The model’s server has failed.", "模型服务器发生故障。";
        /// A failure.
        refused: "The model’s server does not accept the request.", "模型服务器不接受这个请求。";
        /// A failure.
        redirects: "The model’s server redirects, and this server does not follow. The operator has to set the new address.", "模型服务器要求重定向，本服务器不会跟随，需要管理员设置新的地址。";
        /// A failure.
        not_a_stream: "The model’s server has answered, but not with an event stream.", "模型服务器作出了响应，但不是事件流。";
        /// A failure.
        malformed: "The model’s server has sent something that cannot be understood.", "模型服务器发送了无法识别的内容。";
        /// A failure.
        reported_error: "The model’s server has reported an error in the middle of the answer.", "模型服务器在回答中途报告了错误。";
        /// A failure.
        cut: "The connection to the model’s server broke off in the middle of the answer.", "与模型服务器的连接在回答中途断开。";
        /// A failure.
        silent: "The model’s server has sent nothing for too long.", "模型服务器太久没有发送任何内容。";
        /// A failure.
        length: "The model has reached its limit of length.", "模型达到了长度上限。";
        /// A failure.
        filtered: "The model’s server has withheld the rest of the answer.", "模型服务器拦截了回答的剩余内容。";
        /// A failure.
        too_long: "The answer is longer than this server takes.", "回答超过了本服务器允许的长度。";
        /// A failure.
        took_too_long: "The answer took longer than this server allows.", "回答超过了本服务器允许的时间。";
        /// A failure.
        interrupted: "This server was stopped in the middle of the answer.", "本服务器在回答中途停止。";
        /// A failure whose code the page does not know.
        otherwise(code): "It ended with the code {0}.", "结束代码为 {0}。";

        /// Name of the answer, for those who do not see where it stands.
        answer: "Answer", "回答";
        /// Name of the list of earlier questions.
        own: "Your questions", "您的提问";
        /// In that list while it is empty.
        own_empty: "None yet. This browser keeps the last 50 of them; the server has no list.", "还没有。此浏览器会保留最近 50 个提问，服务器上没有这个列表。";
        /// Above that list.
        own_hint: "Only this browser keeps this list.", "这个列表只保存在此浏览器中。";
        /// Button: the list is emptied.
        forget: "Forget them", "清空";
        /// Button.
        jump: "To the end", "到末尾";
        /// Said when the clipboard has the answer.
        copied: "The answer is in the clipboard, as Markdown.", "回答已复制到剪贴板（Markdown）。";
        /// Said when the clipboard could not take it.
        not_copied: "The browser does not allow copying here. The answer is selected.", "浏览器不允许在此复制，已选中回答。";
        /// Said when a question goes to the server.
        asking: "Asking …", "正在提问……";
        /// Said when there is no question.
        empty: "Write a question first.", "请先写下问题。";
        /// Said when the server refuses.
        ask_refused(reason): "The server refuses: {0}.", "服务器拒绝了请求：{0}。";
        /// Said when there is no answer from the server.
        unanswered: "The server does not answer. Try again.", "服务器没有响应，请重试。";
        /// Said when the list was emptied.
        forgotten: "This browser has forgotten your questions. The answers stay on the server until their history expires.", "此浏览器已清空您的提问列表。回答仍保留在服务器上，直到历史记录过期。";
        /// Said when the answer is whole.
        said_complete: "The answer is complete.", "回答已完成。";
        /// Said when the answer was stopped.
        said_stopped: "The answer was stopped.", "回答已停止。";
        /// Said when the answer has failed.
        said_failed: "The answer broke off.", "回答已中断。";
    }
}

texts! {
    /// What never changes on the page of answers. Only the document has it.
    AnswersDocumentTexts {
        /// Title of the document.
        title: "Answers", "问答";
        /// Link for the keyboard, on the page of an answer.
        skip_to_answer: "Skip to the answer", "跳到回答";
        /// Link for the keyboard, on the page with the form alone.
        skip_to_question: "Skip to the question", "跳到提问";
        /// Heading of the page.
        heading: "Answers, as they are written", "实时生成的回答";
        /// What one sees, and what to try.
        lede:
            "Ask something, and the answer arrives piece by piece: each answer is a topic of its own, and each piece an event. While it is being written, load the page again, open its link on a second device, or stop the server and start it again.",
            "提出一个问题，回答会一段一段地到达：每个回答是一个单独的主题，每一段文字是一个事件。生成过程中，可以重新加载本页，在另一台设备上打开链接，或者停止服务器再启动。";
        /// Where answers come from.
        from_documentation: "Found in the documentation, no model", "摘自文档，没有使用模型";
        /// Where answers come from.
        from_model(model): "Written by the model {0}", "由模型 {0} 生成";
        /// Above the question of an answer.
        question: "Question", "问题";
        /// Opens a long question.
        whole_question: "The whole question", "完整的问题";
        /// Link to the answer that this one goes on from.
        continues: "It continues an earlier answer", "接续之前的回答";
        /// Heading of the state.
        state: "State", "状态";
        /// Label of the field.
        label: "Your question", "您的问题";
        /// The same on the page of an answer.
        label_again: "Another question", "另一个问题";
        /// Under the field.
        keys: "Enter asks; Shift and Enter begin a new line.", "按 Enter 提问，Shift+Enter 换行。";
        /// Button of the form.
        ask: "Ask", "提问";
        /// Before examples.
        examples: "For example:", "例如：";
        /// A question.
        example_1: "What survives a restart?", "重启之后保留什么？";
        /// A question.
        example_2: "How does a page resume after a gap?", "断线之后页面如何恢复？";
        /// A question.
        example_3: "How is a slow reader treated?", "如何处理读取过慢的客户端？";
        /// In place of the form, where the reader may not ask.
        may_not_ask: "You cannot ask here:", "您不能在这里提问：";
        /// Button: the answer ends here.
        stop: "Stop", "停止";
        /// Button: a new answer goes on from this one.
        continue_: "Continue", "继续";
        /// Button: the question is asked afresh.
        again: "Ask again", "重新提问";
        /// Button: the answer goes into the clipboard.
        copy: "Copy", "复制";
        /// In place of a live answer that is being written.
        without_script:
            "<p>Without JavaScript this page shows what there was of the answer when it was loaded, and it is still being written: <a href=\"\">load it again</a>.</p>",
            "<p>没有 JavaScript 时，本页显示加载时已有的内容，回答仍在生成：<a href=\"\">重新加载</a>。</p>";
        /// Above a command.
        request_ask: "Ask; the response names the answer’s topic:", "提出问题，响应中有回答的主题：";
        /// Above a command.
        request_stream: "The answer from its beginning, piece by piece, up to its end:", "从头到尾，一段一段地读取回答：";
        /// Above a command.
        request_stop: "Stop it, and cancel the request to the model’s server:", "停止回答，并取消对模型服务器的请求：";
        /// Link to the page's source.
        source: "The same page in less than 50 lines, to copy", "同一页面的精简源码，可直接复制";
    }
}

impl Texts {
    /// The state of an answer, as the stylesheet and tests know it.
    pub fn answer_state(&self, state: &AnswerState, connection: &Connection) -> &'static str {
        match state {
            AnswerState::Writing if is_trouble(connection) => connection.name(),
            AnswerState::Writing => "writing",
            AnswerState::Over(finish) if finish.is_complete() => "complete",
            AnswerState::Over(finish) if finish.code == STOPPED => "stopped",
            AnswerState::Over(_) => "failed",
            AnswerState::Lost => "lost",
        }
    }

    /// The same in words.
    pub fn answer_word(&self, state: &AnswerState, connection: &Connection) -> &'static str {
        match self.answer_state(state, connection) {
            "writing" => self.answers.writing(),
            "complete" => self.answers.complete(),
            "stopped" => self.answers.stopped(),
            "failed" => self.answers.failed(),
            "lost" => self.answers.lost(),
            _ => self.connection_word(connection),
        }
    }

    /// What more there is to say about an answer.
    pub fn answer_detail(
        &self,
        state: &AnswerState,
        connection: &Connection,
        seconds: u64,
    ) -> String {
        match (self.answer_state(state, connection), state) {
            ("writing", _) => self.answers.writing_detail().to_owned(),
            ("complete", _) => self.answers.complete_detail().to_owned(),
            ("stopped", _) => self.answers.stopped_detail().to_owned(),
            (_, AnswerState::Over(finish)) => self.failure(finish),
            ("lost", _) => self.answers.lost_detail().to_owned(),
            _ => self.connection_detail(connection, seconds),
        }
    }

    /// What is said aloud when an answer is over.
    pub fn answer_said(&self, finish: &Finish) -> &'static str {
        match finish.code.as_str() {
            _ if finish.is_complete() => self.answers.said_complete(),
            STOPPED => self.answers.said_stopped(),
            _ => self.answers.said_failed(),
        }
    }

    /// What went wrong, and what can be done.
    fn failure(&self, finish: &Finish) -> String {
        let texts = self.answers;
        let known = FailureCode::ALL.iter();
        let code = known.copied().find(|code| code.as_str() == finish.code);
        let sentence = match code {
            None => texts.otherwise(&finish.code),
            Some(code) => match code {
                FailureCode::Unreachable => texts.unreachable(),
                FailureCode::KeyRefused => texts.key_refused(),
                FailureCode::NotFound => texts.not_found(),
                FailureCode::Busy => texts.busy(),
                FailureCode::Failed => texts.upstream_failed(),
                FailureCode::Refused => texts.refused(),
                FailureCode::Redirects => texts.redirects(),
                FailureCode::NotAStream => texts.not_a_stream(),
                FailureCode::Malformed => texts.malformed(),
                FailureCode::ReportedError => texts.reported_error(),
                FailureCode::Cut => texts.cut(),
                FailureCode::Silent => texts.silent(),
                FailureCode::Length => texts.length(),
                FailureCode::Filtered => texts.filtered(),
                FailureCode::TooLong => texts.too_long(),
                FailureCode::TookTooLong => texts.took_too_long(),
                FailureCode::Interrupted => texts.interrupted(),
            }
            .to_owned(),
        };
        let wait = finish
            .retry_after
            .map(|seconds| texts.wait(&number(seconds)));
        let sentences = [
            sentence,
            wait.unwrap_or_default(),
            if finish.may_continue() {
                texts.may_continue().to_owned()
            } else {
                String::new()
            },
        ];
        let sentences = sentences
            .into_iter()
            .filter(|sentence| !sentence.is_empty());
        sentences.collect::<Vec<_>>().join(" ")
    }
}

/// Whether there is more to say of the connection than of the answer that comes over it.
fn is_trouble(connection: &Connection) -> bool {
    matches!(
        connection,
        Connection::Reconnecting(..) | Connection::Closed(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::connection::Retry;
    use crate::protocol::answers::COMPLETE;
    use crate::protocol::locale::Locale;

    fn over(code: &str, retry_after: Option<u64>) -> AnswerState {
        AnswerState::Over(Finish {
            code: code.to_owned(),
            detail: String::new(),
            retry_after,
        })
    }

    #[test]
    fn every_failure_is_said_in_words_of_its_own_in_each_language() {
        for texts in Locale::ALL.map(Texts::of) {
            let detail =
                |code: &str| texts.answer_detail(&over(code, None), &Connection::Snapshot, 0);
            let mut details: Vec<String> = FailureCode::ALL
                .iter()
                .map(|code| detail(code.as_str()))
                .collect();
            details.push(detail("new-code"));
            let count = details.len();
            details.sort();
            details.dedup();
            assert_eq!(details.len(), count);
            let may_continue = texts.answers.may_continue();
            let too_long = detail(FailureCode::TooLong.as_str());
            for detail in details {
                assert_eq!(
                    detail.ends_with(may_continue),
                    detail != too_long,
                    "{detail}"
                );
            }
        }
        let english = Texts::of(Locale::English);
        let busy = over(FailureCode::Busy.as_str(), Some(20));
        assert_eq!(
            english.answer_detail(&busy, &Connection::Ended, 0),
            "The model’s server has too much to do. The model’s server asks clients to wait 20 s. What is there stays, and Continue goes on from it."
        );
    }

    #[test]
    fn the_state_is_that_of_the_answer_unless_its_stream_is_lost() {
        let english = Texts::of(Locale::English);
        let lost = Connection::Reconnecting(Retry::Browser, None);
        let word = |state: &AnswerState, connection| english.answer_word(state, connection);
        assert_eq!(
            word(&AnswerState::Writing, &Connection::Connecting),
            "Being written"
        );
        assert_eq!(
            word(&AnswerState::Writing, &lost),
            english.live.reconnecting()
        );
        assert_eq!(word(&over(COMPLETE, None), &lost), "Complete");
        assert_eq!(word(&over(STOPPED, None), &Connection::Ended), "Stopped");
        assert_eq!(
            word(&over("upstream-cut", None), &Connection::Ended),
            "Broken off"
        );
        assert_eq!(english.answer_state(&AnswerState::Lost, &lost), "lost");
    }
}
