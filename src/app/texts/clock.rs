//! What only the clock's page says, and how each language writes a date.

use super::{Texts, piece, texts};
use crate::app::clock_text::Date;

texts! {
    /// The large clock.
    ClockTexts {
        /// Heading of the large clock.
        heading: "The server’s time", "服务器时间";
        /// What one sees, and what to try.
        lead:
            "This clock ticks on the server, and each tick comes here as an event. Pull the plug, restart the server or open more pages: the connection says what happens, and goes on by itself.",
            "这个时钟在服务器上走动，每走一下都会作为一个事件传到这里。断开网络、重启服务器或者多打开几个页面试试：连接状态会说明发生了什么，并自动恢复。";
        /// The line under the large clock before any message.
        waiting: "Waiting for the first message", "等待第一条消息";
        /// The days of the week from Sunday on, with a space between.
        weekdays:
            "Sunday Monday Tuesday Wednesday Thursday Friday Saturday",
            "星期日 星期一 星期二 星期三 星期四 星期五 星期六";
        /// The months, with a space between.
        months:
            "January February March April May June July August September October November December",
            "1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月";
        /// A date.
        date(weekday, day, month, year): "{0}, {1} {2} {3}", "{3}年{2}{1}日 {0}";
    }
}

impl Texts {
    /// The date in words, such as `Sunday, 22 November 2026`.
    pub fn date(&self, date: &Date) -> String {
        let weekday = piece(self.clock.weekdays(), b' ', date.weekday);
        let month = piece(self.clock.months(), b' ', date.month - 1);
        let [day, year] = [date.day, date.year].map(|number| (number as u64).to_string());
        self.clock.date(weekday, &day, month, &year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::locale::Locale;

    #[test]
    fn each_language_writes_a_date_in_its_own_order() {
        let date = |locale, text| {
            let date = Date::read(text).expect("a date");
            Texts::of(locale).date(&date)
        };
        assert_eq!(
            date(Locale::English, "2026-11-27"),
            "Friday, 27 November 2026"
        );
        assert_eq!(
            date(Locale::English, "2024-02-04"),
            "Sunday, 4 February 2024"
        );
        assert_eq!(date(Locale::Chinese, "2026-11-27"), "2026年11月27日 星期五");
        assert_eq!(date(Locale::Chinese, "2024-02-04"), "2024年2月4日 星期日");
    }

    #[test]
    fn every_day_and_month_has_a_name_of_its_own_in_every_language() {
        for locale in Locale::ALL {
            let texts = ClockTexts::of(locale);
            for (words, count) in [(texts.weekdays(), 7), (texts.months(), 12)] {
                let mut names: Vec<_> = words.split(' ').collect();
                assert!(names.iter().all(|name| !name.is_empty()), "{words}");
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), count, "{words}");
            }
        }
    }
}
