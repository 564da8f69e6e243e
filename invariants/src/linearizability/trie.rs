//! All that the reads of one list showed, as a tree of beginnings.
//!
//! Two lists that no read shows behave alike until somebody replaces them, so the search needs no more states than the
//! beginnings of what was read, and one more: *astray*.

use super::interner::Interner;
use super::operation::Content;

/// No element, no node: the end of the numbers.
const NONE: u32 = u32::MAX;

/// A list that is the beginning of some read.
#[derive(Clone, Copy, Debug)]
struct TrieNode {
    /// The list without its last element, and that element's number.
    parent: u32,
    element: u32,
    depth: u32,
    /// The first node of an unbroken run `n, n + 1, ...` of which each is the next one's parent, and which ends here.
    run: u32,
    child: u32,
    sibling: u32,
}

/// The beginnings of all reads. 0 is the empty list.
#[derive(Default, Debug)]
pub(crate) struct Trie {
    nodes: Vec<TrieNode>,
    /// By element: the list of nothing but it.
    roots: Vec<u32>,
    interner: Interner,
    /// The nodes of the read before, for the next one is mostly longer by a little.
    path: Vec<u32>,
}

impl Trie {
    pub(crate) fn clear(&mut self) {
        self.interner.clear();
        self.roots.clear();
        self.path.clear();
        self.nodes.clear();
        self.nodes.push(TrieNode {
            parent: NONE,
            element: NONE,
            depth: 0,
            run: 0,
            child: NONE,
            sibling: NONE,
        });
    }

    /// How many beginnings there are; as a state, this is the one astray.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// How many elements reads show.
    pub(crate) fn elements(&self) -> usize {
        self.roots.len()
    }

    /// Adds a read, of which the first `same` elements are those of the read before.
    pub(crate) fn insert_read(&mut self, elements: &[u64], same: usize) -> u32 {
        self.path.truncate(same);
        let mut node = self.path.last().copied().unwrap_or(0);
        for &element in &elements[same..] {
            let element = self.interner.number(Content::Present(element));
            if element as usize == self.roots.len() {
                self.roots.push(NONE);
            }
            node = match self.child(node, element) {
                Some(child) => child,
                None => self.add(node, element),
            };
            self.path.push(node);
        }
        node
    }

    fn add(&mut self, parent: u32, element: u32) -> u32 {
        let number = self.nodes.len() as u32;
        let above = &mut self.nodes[parent as usize];
        let run = if parent + 1 == number { above.run } else { number };
        let sibling = std::mem::replace(&mut above.child, number);
        let depth = above.depth + 1;
        self.nodes.push(TrieNode { parent, element, depth, run, child: NONE, sibling });
        if parent == 0 {
            self.roots[element as usize] = number;
        }
        number
    }

    /// The element's number; [`NONE`]: no read shows it.
    pub(crate) fn element(&self, element: u64) -> u32 {
        self.interner.get(Content::Present(element))
    }

    /// The last element of a list.
    pub(crate) fn last(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(NONE, |node| node.element)
    }

    /// The list with one element more, if a read begins with it.
    #[inline]
    pub(crate) fn child(&self, node: u32, element: u32) -> Option<u32> {
        if element == NONE {
            return None;
        }
        if node == 0 {
            return Some(self.roots[element as usize]).filter(|&child| child != NONE);
        }
        let mut child = self.nodes.get(node as usize)?.child;
        while child != NONE && self.nodes[child as usize].element != element {
            child = self.nodes[child as usize].sibling;
        }
        Some(child).filter(|&child| child != NONE)
    }

    pub(crate) fn parent(&self, node: u32) -> u32 {
        self.nodes[node as usize].parent
    }

    /// The beginning of a list with this many elements.
    fn prefix(&self, mut node: u32, depth: u32) -> u32 {
        loop {
            let TrieNode { depth: deep, run, parent, .. } = self.nodes[node as usize];
            let up = deep - depth;
            if up <= node - run {
                return node - up;
            }
            node = if run == node { parent } else { run };
        }
    }

    /// The list of the first element alone; of the empty list, itself.
    #[inline]
    pub(crate) fn root(&self, node: u32) -> u32 {
        match self.nodes.get(node as usize) {
            Some(of) if of.depth > 1 => self.prefix(node, 1),
            _ => node,
        }
    }

    /// The element that must be appended next to make of the one list the other; `None` where no appending helps.
    #[inline]
    pub(crate) fn next_element(&self, from: u32, to: u32) -> Option<u32> {
        let depth = self.nodes.get(from as usize)?.depth;
        if depth >= self.nodes[to as usize].depth {
            return None;
        }
        let next = self.prefix(to, depth + 1);
        (self.nodes[next as usize].parent == from).then(|| self.nodes[next as usize].element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_found() {
        let mut trie = Trie::default();
        trie.clear();
        let long = trie.insert_read(&[1, 2, 3, 4], 0);
        let fork = trie.insert_read(&[1, 2, 5, 6], 2);
        let other = trie.insert_read(&[5, 6], 0);
        assert_eq!((trie.len(), trie.elements()), (9, 6));
        let one = trie.insert_read(&[1], 0);
        assert_eq!((trie.root(long), trie.root(fork), trie.root(one), trie.root(0)), (one, one, one, 0));
        assert_eq!(trie.next_element(0, fork), Some(trie.element(1)));
        assert_eq!(trie.next_element(one, fork), Some(trie.element(2)));
        let two = trie.insert_read(&[1, 2], 1);
        assert_eq!(trie.next_element(two, fork), Some(trie.element(5)));
        assert_eq!(trie.next_element(two, long), Some(trie.element(3)));
        assert_eq!(trie.next_element(two, other), None);
        assert_eq!(trie.next_element(long, two), None);
        assert_eq!(trie.next_element(9, two), None);
        assert_eq!(trie.child(two, trie.element(5)), Some(trie.parent(fork)));
        assert_eq!(trie.child(two, trie.element(4)), None);
        assert_eq!(trie.element(77), NONE);
    }
}
