//! What the browser keeps for the site beyond the page, in `localStorage`. Everything works without: a reader may have switched
//! it off.

/// The text under a name.
pub(crate) fn read(name: &str) -> Option<String> {
    storage()?.get_item(name).ok()?
}

/// Keeps a text under a name.
pub(crate) fn write(name: &str, text: &str) {
    if let Some(storage) = storage() {
        // Fails where there is no more room.
        let _ = storage.set_item(name, text);
    }
}

/// Forgets the text under a name.
pub(crate) fn remove(name: &str) {
    if let Some(storage) = storage() {
        // Fails for no name.
        let _ = storage.remove_item(name);
    }
}

fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok()?
}
