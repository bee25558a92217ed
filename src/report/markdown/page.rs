//! A page of Markdown that has to fit: pieces that stay whole or are left out, the least worth first.

use super::escape::link;

/// What a piece is worth, the least first: the order in which pieces are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    /// A tag, or one of a great many properties of a resource that stays.
    Detail,
    /// A resource that is added.
    Addition,
    /// A property of a resource that stays.
    Property,
    /// A resource that is changed in place, a line of a log.
    Change,
    /// A step.
    Step,
    /// Why something is lost or failed.
    Cause,
    /// What is lost, or failed.
    Grave,
}

/// Whole lines, with their ends.
#[derive(Debug, Clone)]
pub struct Piece {
    pub worth: Worth,
    pub text: String,
}

impl Piece {
    pub fn new(worth: Worth, text: impl Into<String>) -> Self {
        Self { worth, text: text.into() + "\n" }
    }
}

/// Pieces, and what stands around them as long as one of them is there.
#[derive(Debug, Clone)]
pub struct Block {
    pub open: String,
    pub pieces: Vec<Piece>,
    /// What is said in the place of those that are left out: what stands before and behind their number.
    pub more: (&'static str, &'static str),
    pub close: String,
}

/// The page: a head that is always there, and blocks.
#[derive(Debug, Clone)]
pub struct Page {
    pub head: String,
    pub blocks: Vec<Block>,
    /// Always there, at the end.
    pub foot: String,
}

/// How much of a text a limit counts.
pub type Size = fn(&str) -> usize;

/// In characters, as GitHub's API counts.
pub fn characters(text: &str) -> usize {
    text.chars().count()
}

/// More digits than a number of pieces has.
const NUMBER: usize = 20;

impl Page {
    /// The page within `limit`. What is left out is counted where it was, and a sentence leads to the whole, which is at
    /// `full_text`.
    pub fn fit(self, limit: usize, size: Size, full_text: Option<&str>) -> String {
        let whole: usize =
            size(&self.head) + size(&self.foot) + self.blocks.iter().map(|b| b.size(size)).sum::<usize>();
        if whole <= limit {
            return self.write(None);
        }
        let cut = cut(full_text);
        let notes: usize =
            self.blocks.iter().map(|block| size(block.more.0) + size(block.more.1) + NUMBER).sum();
        let excess = (whole + size(&cut) + notes).saturating_sub(limit);
        self.without(excess, size).write(Some(&cut))
    }

    /// The page without pieces of that size.
    fn without(mut self, mut excess: usize, size: Size) -> Self {
        for (block, piece) in self.least_first() {
            if excess == 0 {
                break;
            }
            let block = &mut self.blocks[block];
            let text = std::mem::take(&mut block.pieces[piece].text);
            let around = if block.is_empty() { size(&block.open) + size(&block.close) } else { 0 };
            excess = excess.saturating_sub(size(&text) + around);
        }
        self
    }

    /// Every piece by its block's and its own number: the least worth first, of these the last.
    fn least_first(&self) -> Vec<(usize, usize)> {
        let numbers = |(block, it): (usize, &Block)| {
            (0..it.pieces.len()).map(move |piece| (block, piece)).collect::<Vec<_>>()
        };
        let mut all: Vec<(usize, usize)> = self.blocks.iter().enumerate().flat_map(numbers).rev().collect();
        all.sort_by_key(|(block, piece)| self.blocks[*block].pieces[*piece].worth);
        all
    }

    fn write(self, cut: Option<&str>) -> String {
        let blocks = self.blocks.iter().map(Block::write);
        [self.head].into_iter().chain(cut.map(str::to_owned)).chain(blocks).chain([self.foot]).collect()
    }
}

impl Block {
    fn size(&self, size: Size) -> usize {
        size(&self.open)
            + size(&self.close)
            + self.pieces.iter().map(|piece| size(&piece.text)).sum::<usize>()
    }

    fn is_empty(&self) -> bool {
        self.pieces.iter().all(|piece| piece.text.is_empty())
    }

    fn write(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let pieces: String = self.pieces.iter().map(|piece| piece.text.as_str()).collect();
        let left_out = self.pieces.iter().filter(|piece| piece.text.is_empty()).count();
        let more =
            if left_out == 0 { String::new() } else { format!("{}{left_out}{}\n", self.more.0, self.more.1) };
        format!("{}{pieces}{more}{}", self.open, self.close)
    }
}

/// What is said of a page that was cut.
fn cut(full_text: Option<&str>) -> String {
    let whole = full_text.map(|url| format!(": {}", link("all of it", url))).unwrap_or_default();
    format!("> [!NOTE]\n> This is too long to be shown whole, and cut to what matters most{whole}.\n\n")
}
