//! Pages: headings, facts and tables from top to bottom, broken onto further pages as needed.
//!
//! All measures are tenths of a point, whole numbers: a matrix on each page scales them, so nothing is computed with
//! floats.

use pdf_writer::types::LineCapStyle;
use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use crate::text;

/// A4.
const WIDTH: i32 = 5950;
const HEIGHT: i32 = 8420;

/// White space around.
const LEFT: i32 = 360;
const TOP: i32 = 400;
const BOTTOM: i32 = 560;

/// Font sizes, and how far one line is from the next.
const HEADING: i32 = 130;
const FACT: i32 = 90;
const CELL: i32 = 75;
const NOTE: i32 = 70;

/// Between columns.
const GAP: i32 = 60;

/// Where facts' values begin.
const VALUES: i32 = LEFT + 1250;

const REGULAR: Name<'static> = Name(b"F1");
const BOLD: Name<'static> = Name(b"F2");

/// On which side cells are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A column of a table. Widths are whole points and make up the page's width together.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    pub width: i32,
    pub align: Align,
}

impl Column {
    pub fn left(title: &'static str, width: i32) -> Column {
        Column { title, width, align: Align::Left }
    }

    pub fn right(title: &'static str, width: i32) -> Column {
        Column { title, width, align: Align::Right }
    }
}

/// A document in the making.
pub struct Paper {
    title: String,
    note: String,
    done: Vec<Content>,
    page: Content,
    /// The top of what comes next, from the lower edge.
    y: i32,
}

impl Paper {
    /// A first empty page. `note` stands at the foot of each.
    pub fn new(title: &str, note: &str) -> Paper {
        Paper {
            title: title.to_owned(),
            note: note.to_owned(),
            done: Vec::new(),
            page: blank(),
            y: HEIGHT - TOP,
        }
    }

    fn break_page(&mut self) {
        self.done.push(std::mem::replace(&mut self.page, blank()));
        self.y = HEIGHT - TOP;
    }

    /// Makes sure that so much fits on this page.
    fn need(&mut self, height: i32) {
        if self.y - height < BOTTOM {
            self.break_page();
        }
    }

    fn write(&mut self, font: Name<'_>, size: i32, x: i32, y: i32, words: &str) {
        if words.is_empty() {
            return;
        }
        self.page.begin_text();
        self.page.set_font(font, number(size));
        self.page.next_line(number(x), number(y));
        self.page.show(Str(&text::encoded(words)));
        self.page.end_text();
    }

    fn rule(&mut self, y: i32, thickness: i32) {
        self.page.set_line_width(number(thickness));
        self.page.move_to(number(LEFT), number(y));
        self.page.line_to(number(WIDTH - LEFT), number(y));
        self.page.stroke();
    }

    /// A heading, never alone at the foot of a page.
    pub fn heading(&mut self, words: &str) {
        for line in text::wrapped(words, HEADING, (WIDTH - 2 * LEFT) * 9 / 10) {
            self.need(HEADING * 6);
            self.y -= if self.y == HEIGHT - TOP { HEADING } else { HEADING * 2 };
            self.write(BOLD, HEADING, LEFT, self.y, &line);
        }
        self.y -= HEADING / 2;
    }

    /// A name and its value.
    pub fn fact(&mut self, name: &str, value: &str) {
        for (index, line) in text::wrapped(value, FACT, WIDTH - LEFT - VALUES).iter().enumerate() {
            self.need(FACT * 3 / 2);
            self.y -= FACT * 7 / 5;
            if index == 0 {
                self.write(BOLD, FACT, LEFT, self.y, name);
            }
            self.write(REGULAR, FACT, VALUES, self.y, line);
        }
    }

    /// A table; its titles stand on every page that it runs over.
    pub fn table<const N: usize>(
        &mut self,
        columns: &[Column; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        self.titles(columns);
        for row in rows {
            self.row(columns, &row, REGULAR);
        }
    }

    /// The last row of a table.
    pub fn total<const N: usize>(&mut self, columns: &[Column; N], row: &[String; N]) {
        // The rule belongs to the total: both go to the next page together.
        if self.y - CELL * 2 < BOTTOM {
            self.break_page();
            self.titles(columns);
        }
        self.y -= CELL / 3;
        self.rule(self.y, 5);
        self.row(columns, row, BOLD);
    }

    fn titles<const N: usize>(&mut self, columns: &[Column; N]) {
        self.need(CELL * 6);
        let titles = std::array::from_fn(|index| columns[index].title.to_owned());
        self.row(columns, &titles, BOLD);
        self.y -= CELL / 3;
        self.rule(self.y, 5);
    }

    fn row<const N: usize>(&mut self, columns: &[Column; N], row: &[String; N], font: Name<'_>) {
        let cells: [Vec<String>; N] = std::array::from_fn(|index| {
            let Column { width, align, .. } = columns[index];
            match align {
                Align::Left => text::wrapped(&row[index], CELL, width * 10 - GAP),
                // A number is never broken; it may reach into the column before it.
                Align::Right => vec![row[index].clone()],
            }
        });
        let tallest = cells.iter().map(Vec::len).max().unwrap_or(1);
        for number in 0..tallest {
            if self.y - CELL * 7 / 5 < BOTTOM {
                self.break_page();
                self.titles(columns);
            }
            self.y -= CELL * 7 / 5;
            let mut x = LEFT;
            for (column, lines) in columns.iter().zip(&cells) {
                let right = x + column.width * 10;
                if let Some(line) = lines.get(number) {
                    let at = match column.align {
                        Align::Left => x,
                        Align::Right if font == BOLD => right - text::bold_width(line, CELL),
                        Align::Right => right - text::width(line, CELL),
                    };
                    self.write(font, CELL, at, self.y, line);
                }
                x = right;
            }
        }
    }

    /// The finished file.
    pub fn finish(mut self) -> Vec<u8> {
        self.break_page();
        let count = self.done.len();
        for (index, page) in std::mem::take(&mut self.done).into_iter().enumerate() {
            self.page = page;
            let of = format!("Page {} of {count}", index + 1);
            let note = text::wrapped(&self.note, NOTE, WIDTH - 2 * LEFT - 800).swap_remove(0);
            self.write(REGULAR, NOTE, LEFT, BOTTOM / 2, &note);
            self.write(REGULAR, NOTE, WIDTH - LEFT - text::width(&of, NOTE), BOTTOM / 2, &of);
            self.done.push(std::mem::replace(&mut self.page, blank()));
        }
        assemble(&self.title, self.done)
    }
}

/// A page on which a unit is a tenth of a point.
fn blank() -> Content {
    let mut page = Content::new();
    page.transform([0.1, 0.0, 0.0, 0.1, 0.0, 0.0]);
    page.set_line_cap(LineCapStyle::ButtCap);
    page
}

/// A measure as the format wants it. Pages are far smaller than the largest 16-bit number.
fn number(tenths: i32) -> f32 {
    i16::try_from(tenths).map_or(0.0, f32::from)
}

fn assemble(title: &str, pages: Vec<Content>) -> Vec<u8> {
    let mut next = 0;
    let mut reference = || {
        next += 1;
        Ref::new(next)
    };
    let (catalog, tree, info, regular, bold) =
        (reference(), reference(), reference(), reference(), reference());
    let pages: Vec<(Ref, Ref, Content)> =
        pages.into_iter().map(|page| (reference(), reference(), page)).collect();
    let mut pdf = Pdf::new();
    let mut root = pdf.catalog(catalog);
    root.pages(tree);
    root.lang(TextStr("en"));
    root.finish();
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(pages.iter().map(|(page, ..)| *page)).count(count);
    pdf.document_info(info).title(TextStr(title)).producer(TextStr("bilag"));
    for (font, name) in [(regular, "Helvetica"), (bold, "Helvetica-Bold")] {
        pdf.type1_font(font).base_font(Name(name.as_bytes())).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    for (page, stream, content) in pages {
        let mut object = pdf.page(page);
        object.parent(tree).media_box(Rect::new(0.0, 0.0, 595.0, 842.0)).contents(stream);
        object.resources().fonts().pair(REGULAR, regular).pair(BOLD, bold);
        object.finish();
        pdf.stream(stream, &content.finish());
    }
    pdf.finish()
}
