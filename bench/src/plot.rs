pub(crate) fn svg(_: &crate::report::Report) -> String {
    String::new()
}
