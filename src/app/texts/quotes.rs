//! What the page of quotes says.

use super::{Texts, number, texts};
use crate::app::live::quotes::SlowReader;
use crate::app::quotes::ChartShown;

texts! {
    /// What changes on the page of quotes, and names of its elements. The browser has it.
    QuotesTexts {
        /// Button: prices stand still.
        pause: "Pause", "暂停";
        /// Button: prices go on.
        resume: "Resume", "继续";
        /// Said before the reader has done anything.
        hint: "Prices arrive as events, and are drawn once per frame at most.", "价格以事件形式到达，每帧最多绘制一次。";
        /// Said when a symbol has been chosen.
        added(symbol): "{0} is in the table. The stream goes on for the others without a loss.", "{0} 已加入表格，其他代码的事件流没有丢失任何内容。";
        /// Said when a symbol is no longer chosen.
        removed(symbol): "{0} is no longer in the table, and this page no longer reads it.", "{0} 已从表格中移除，本页不再读取它。";
        /// Said when another chart is shown.
        charted(symbol): "The chart is of {0}.", "图表现在显示 {0}。";
        /// Heading of the chart.
        chart_of(symbol): "{0}, the last hour", "{0}：最近一小时";
        /// Under the chart.
        chart_summary(first, newest, low, high, from, to):
            "From {0} at {4} to {1} at {5} UTC; lowest {2}, highest {3}.",
            "从 {4} 的 {0} 到 {5}（UTC）的 {1}；最低 {2}，最高 {3}。";
        /// Under a chart without prices.
        chart_empty: "No price yet. This page draws each as it arrives.", "还没有价格。价格到达时会画在这里。";
        /// Name of a stat.
        received: "Prices received", "收到的价格";
        /// Name of the table of a reader's policies, for those who do not see its heading.
        slow_table: "What a slow reader sees under each policy", "慢速读取者在每种策略下看到的内容";
        /// Said while slow readers read.
        slow_begun: "Three readers read for two seconds, then take nothing for four, then read again.", "三个读取者先读取两秒，然后停顿四秒，再继续读取。";
        /// Said afterwards.
        slow_done: "Done: what each reader saw is in the table.", "完成：每个读取者看到的内容列在表中。";
        /// Said when the server refuses.
        slow_refused(reason): "The server refuses: {0}.", "服务器拒绝了请求：{0}。";
        /// Said when there is no answer.
        slow_unanswered: "The server does not answer. Try again.", "服务器没有响应，请重试。";
        /// In the table before a run.
        slow_none: "Not watched yet", "尚未观察";
        /// In the table during a run.
        slow_running: "Reading …", "读取中……";
        /// What a reader saw.
        slow_seen(received, published, late, after):
            "Read {0} of {1} prices; {2} of them more than a second late. After the pause the first was {3} s old.",
            "读到 {1} 个价格中的 {0} 个，其中 {2} 个晚了一秒以上。停顿之后，第一个价格已经过去 {3} 秒。";
    }
}

texts! {
    /// What never changes on the page of quotes. Only the document has it.
    QuotesDocumentTexts {
        /// Title of the document.
        title: "Quotes", "行情";
        /// Link for the keyboard.
        skip: "Skip to the prices", "跳到价格表";
        /// Heading of the page.
        heading: "Quotes, as they move", "实时行情";
        /// What one sees, and what to try.
        lede:
            "Each symbol is a topic, and each price an event. Choose other symbols, open the page on a second device, or stop the server for a moment.",
            "每个代码是一个主题，每个价格是一个事件。可以选择其他代码，在另一台设备上打开本页，或者暂时停止服务器试试。";
        /// Label of prices that are not real.
        simulated: "A simulated market: the prices are invented.", "模拟市场：价格是虚构的。";
        /// Label of prices of a file.
        replayed: "A replay: the prices are those of a file, with their own timing.", "回放：价格来自文件，保持原有的时间间隔。";
        /// In place of live prices.
        without_script:
            "<p>Without JavaScript this page shows the prices of the moment when it was loaded: <a href=\"\">load it again</a>.</p>",
            "<p>没有 JavaScript 时，本页显示加载时的价格：<a href=\"\">重新加载</a>。</p>";
        /// Heading of the connection.
        connection: "Connection", "连接";
        /// Heading of the table.
        prices: "Prices", "价格";
        /// Column of the table.
        column_symbol: "Symbol", "代码";
        /// Column of the table.
        column_price: "Price", "价格";
        /// Column of the table.
        column_change: "Change", "涨跌";
        /// Column of the table.
        column_hour: "Last hour", "最近一小时";
        /// Opens the list of symbols.
        choose: "Choose symbols", "选择代码";
        /// Button of the choice, without JavaScript.
        show: "<button type=\"submit\">Show these</button>", "<button type=\"submit\">显示所选</button>";
        /// Heading of what slow readers see.
        slow_heading: "What a slow reader sees", "慢速读取者看到什么";
        /// What the server does.
        slow_lede:
            "This page asks for the policy latest: if its network stalls, it goes on with the newest price of each symbol. The button lets the server publish ten prices a second for eight seconds to a topic of their own. One reader for each policy reads for two seconds, takes nothing for four, and reads again. Streams and policies are those of any topic, with a write timeout of one second; only the socket is missing.",
            "本页要求 latest 策略：网络停顿之后，从每个代码的最新价格继续。点击按钮，服务器会在一个单独的主题上连续八秒每秒发布十个价格。每种策略有一个读取者：先读取两秒，停顿四秒，再继续读取。事件流和策略与任何主题相同，写入超时为一秒，只是没有套接字。";
        /// Button.
        slow_button: "Watch slow readers", "观察慢速读取者";
        /// Column of that table.
        column_policy: "Policy", "策略";
        /// Column of that table.
        column_seen: "What the reader saw", "读取者看到的内容";
        /// Above a command.
        request_stream: "The prices of two symbols as they move, on one stream:", "一个事件流，两个代码的实时价格：";
        /// Above a command.
        request_past: "The prices that are kept of one, for the chart:", "一个代码保留的历史价格，用于图表：";
        /// Above a command.
        request_all: "Every symbol, those that appear later included:", "所有代码，包括以后出现的代码：";
        /// Link to the page's source.
        source: "The same page in less than 50 lines, to copy", "同一页面的精简源码，可直接复制";
    }
}

impl Texts {
    /// Button: prices stand still, or go on.
    pub fn pause_or_resume_quotes(&self, is_paused: bool) -> &'static str {
        if is_paused {
            self.quotes.resume()
        } else {
            self.quotes.pause()
        }
    }

    /// What stands under the chart.
    pub fn chart_summary(&self, chart: &ChartShown) -> String {
        if chart.path.is_empty() {
            return self.quotes.chart_empty().to_owned();
        }
        self.quotes.chart_summary(
            &chart.first,
            &chart.newest,
            &chart.low,
            &chart.high,
            &chart.from,
            &chart.to,
        )
    }

    /// What a slow reader saw.
    pub fn slow_reader(&self, seen: Option<&SlowReader>, is_running: bool) -> String {
        match seen {
            _ if is_running => self.quotes.slow_running().to_owned(),
            None => self.quotes.slow_none().to_owned(),
            Some(seen) => {
                let tenths = (seen.first_after + 50) / 100;
                let after = format!("{}.{}", tenths / 10, tenths % 10);
                let [received, published, late] =
                    [seen.received, seen.published, seen.late].map(number);
                self.quotes.slow_seen(&received, &published, &late, &after)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::locale::Locale;

    #[test]
    fn what_a_slow_reader_saw_is_one_sentence_in_each_language() {
        let seen = SlowReader {
            published: 80,
            received: 41,
            missed: 39,
            late: 7,
            first_after: 3_960,
        };
        let text = |locale| Texts::of(locale).slow_reader(Some(&seen), false);
        assert_eq!(
            text(Locale::English),
            "Read 41 of 80 prices; 7 of them more than a second late. After the pause the first was 4.0 s old."
        );
        assert!(text(Locale::Chinese).contains("80 个价格中的 41 个"));
        let texts = Texts::of(Locale::English);
        assert_eq!(texts.slow_reader(None, false), "Not watched yet");
        assert_eq!(texts.slow_reader(Some(&seen), true), "Reading …");
    }

    #[test]
    fn a_chart_without_prices_says_so() {
        let texts = Texts::of(Locale::English);
        let mut chart = ChartShown::default();
        assert!(texts.chart_summary(&chart).starts_with("No price yet"));
        chart.path = "M0 0".to_owned();
        chart.first = "1.00".to_owned();
        chart.to = "12:30".to_owned();
        assert!(texts.chart_summary(&chart).starts_with("From 1.00 at "));
    }
}
