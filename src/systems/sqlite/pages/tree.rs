//! The tree of a table: interior pages that say where rowids are, and leaves that hold the rows.

/// No tree is deeper: with two children a page it would hold more rows than there are rowids.
pub(super) const DEEPEST: u8 = 64;

/// The kinds of page that the tree of a table has.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// A page to visit. All its rowids are above `low` and none is above `high`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) page: u32,
    /// Pages above it.
    pub(super) depth: u8,
    pub(super) low: Option<i64>,
    pub(super) high: Option<i64>,
}

impl Node {
    pub(super) fn root(page: u32) -> Self {
        Self {
            page,
            depth: 0,
            low: None,
            high: None,
        }
    }

    /// Whether a rowid may be here. It holds for every rowid of a sound page, and keeps a walk of a
    /// damaged one from going round in circles.
    fn holds(&self, rowid: i64) -> bool {
        self.low.is_none_or(|low| low < rowid) && self.high.is_none_or(|high| rowid <= high)
    }
}

/// A page of the tree.
pub(super) enum Page<'a> {
    /// Its children, in the order of their rowids.
    Interior(Vec<Node>),
    Leaf(Leaf<'a>),
}

impl<'a> Page<'a> {
    /// Reads the usable bytes of a page; `None` for what is no sound page of a table.
    pub(super) fn read(bytes: &'a [u8], node: Node) -> Option<Self> {
        let cells = usize::from(u16::from_be_bytes(array(bytes, 3)?));
        match *bytes.first()? {
            LEAF => Some(Self::Leaf(Leaf {
                bytes,
                pointers: bytes.get(8..8 + 2 * cells)?,
                node,
            })),
            INTERIOR => {
                let pointers = bytes.get(12..12 + 2 * cells)?;
                let last = u32::from_be_bytes(array(bytes, 8)?);
                children(bytes, pointers, last, node).map(Self::Interior)
            }
            _ => None,
        }
    }
}

fn children(bytes: &[u8], pointers: &[u8], last: u32, node: Node) -> Option<Vec<Node>> {
    let mut children = Vec::with_capacity(pointers.len() / 2 + 1);
    let mut low = node.low;
    let depth = node.depth + 1;
    for at in offsets(pointers) {
        let page = u32::from_be_bytes(array(bytes, at)?);
        let (key, _) = varint(bytes.get(at + 4..)?)?;
        let high = Some(key as i64);
        if !(Node { low, ..node }).holds(key as i64) {
            return None;
        }
        children.push(Node {
            page,
            depth,
            low,
            high,
        });
        low = high;
    }
    children.push(Node {
        page: last,
        depth,
        low,
        high: node.high,
    });
    Some(children)
}

fn offsets(pointers: &[u8]) -> impl Iterator<Item = usize> {
    let pair = |pair: &[u8]| usize::from(pair[0]) << 8 | usize::from(pair[1]);
    pointers.chunks_exact(2).map(pair)
}

/// A page of rows.
pub(super) struct Leaf<'a> {
    pub(super) bytes: &'a [u8],
    pointers: &'a [u8],
    node: Node,
}

/// A row in its page.
pub(super) struct Cell<'a> {
    pub(super) rowid: i64,
    /// Bytes of its record.
    pub(super) bytes: u64,
    /// Those of them that are in the page, and where they begin there.
    pub(super) local: &'a [u8],
    pub(super) at: usize,
    /// The page that holds what comes after them.
    pub(super) chain: Option<u32>,
}

impl<'a> Leaf<'a> {
    /// The rows; `None` for one that is not sound, and none after it.
    pub(super) fn cells(&self) -> impl Iterator<Item = Option<Cell<'a>>> {
        let (bytes, mut node) = (self.bytes, self.node);
        let cell = move |at: usize| {
            let cell = cell(bytes, at).filter(|cell| node.holds(cell.rowid))?;
            node.low = Some(cell.rowid);
            Some(cell)
        };
        offsets(self.pointers).map(cell)
    }
}

fn cell(page: &[u8], at: usize) -> Option<Cell<'_>> {
    let rest = page.get(at..)?;
    let (bytes, rest) = varint(rest)?;
    let (rowid, rest) = varint(rest)?;
    let local = local(bytes, page.len());
    let chain = match bytes > local as u64 {
        true => Some(u32::from_be_bytes(array(rest, local)?)),
        false => None,
    };
    Some(Cell {
        rowid: rowid as i64,
        bytes,
        local: rest.get(..local)?,
        at: page.len() - rest.len(),
        chain,
    })
}

/// How many bytes of a record are in its leaf.
fn local(bytes: u64, usable: usize) -> usize {
    let most = usable - 35;
    if bytes <= most as u64 {
        return bytes as usize;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let fitting = least + ((bytes - least as u64) % (usable as u64 - 4)) as usize;
    if fitting <= most { fitting } else { least }
}

/// A number of one to nine bytes, and what comes after it.
#[inline]
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((first.into(), rest));
    }
    let mut value = u64::from(first & 0x7F);
    for at in 1..8 {
        let byte = *bytes.get(at)?;
        value = value << 7 | u64::from(byte & 0x7F);
        if byte < 0x80 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    let last = *bytes.get(8)?;
    Some((value << 8 | u64::from(last), &bytes[9..]))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
