//! What pages are made of: texts in alerts, lists, fences and folds.

use super::escape::{fence, html, prose};
use super::page::{Block, Piece, Worth};

/// More lines than this are folded away, unless they are grave.
const LONG: usize = 12;

/// One or more paragraphs that stay together.
pub fn text(worth: Worth, text: impl Into<String>) -> Block {
    let pieces = vec![Piece::new(worth, text)];
    Block { open: String::new(), pieces, more: ("", ""), close: "\n".to_owned() }
}

/// A box that GitHub colours: `CAUTION`, `WARNING`, `NOTE`; each item is Markdown on one line.
pub fn alert(kind: &str, head: &str, items: impl IntoIterator<Item = (Worth, String)>) -> Block {
    let head = if head.is_empty() { String::new() } else { format!("> {head}\n>\n") };
    Block {
        open: format!("> [!{kind}]\n{head}"),
        pieces: items.into_iter().map(|(worth, item)| Piece::new(worth, format!("> - {item}"))).collect(),
        more: ("> - … and ", " more"),
        close: "\n".to_owned(),
    }
}

/// Lines of plain text in a fence, coloured as `language`. The pieces are made with [`Piece::new`].
pub fn fenced(language: &str, pieces: Vec<Piece>) -> Block {
    let fence = fence(pieces.iter().map(|piece| piece.text.as_str()));
    Block {
        open: format!("{fence}{language}\n"),
        pieces,
        more: ("… and ", " more"),
        close: format!("{fence}\n\n"),
    }
}

/// The block under a name and words of this program; of a long one only these are seen, unless it is to be open.
pub fn titled(name: &str, words: &str, open: bool, block: Block) -> Block {
    let lines: usize = block.pieces.iter().map(|piece| piece.text.lines().count()).sum();
    if lines <= LONG {
        return Block { open: format!("**{}**: {words}\n\n{}", prose(name, 200), block.open), ..block };
    }
    let open = if open { " open" } else { "" };
    let head = format!("<details{open}><summary><b>{}</b>: {words}</summary>\n\n", html(name, 200));
    Block { open: head + &block.open, close: block.close + "</details>\n\n", ..block }
}
