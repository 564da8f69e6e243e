//! The prefixes of one list's reads, as a trie.
//!
//! Lists that no read shows behave alike until the next replacement, so the search needs no states but the prefixes
//! of the reads and one more: *off-trie*.

use super::interner::Interner;
use super::operation::Content;

/// No element, no node.
const NONE: u32 = u32::MAX;

/// A list that is a prefix of some read.
#[derive(Clone, Copy, Debug)]
struct TrieNode {
    /// The list without its last element, and the number of that element.
    parent: u32,
    element: u32,
    depth: u32,
    /// The first node of a run `n, n + 1, ...` that ends here and in which each node is the parent of the next.
    run: u32,
    child: u32,
    sibling: u32,
}

/// The prefixes of all reads. Node 0 is the empty list.
#[derive(Default, Debug)]
pub(crate) struct Trie {
    nodes: Vec<TrieNode>,
    /// By element: the list of only this element.
    roots: Vec<u32>,
    interner: Interner,
    /// The nodes of the previous read, because the next one is mostly a little longer.
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

    /// The number of prefixes; as a state, this is off-trie.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The number of different elements in reads.
    pub(crate) fn elements(&self) -> usize {
        self.roots.len()
    }

    /// Inserts a read whose first `same` elements equal those of the previous read. Returns its node.
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
        let parent_node = &mut self.nodes[parent as usize];
        let run = if parent + 1 == number { parent_node.run } else { number };
        let sibling = std::mem::replace(&mut parent_node.child, number);
        let depth = parent_node.depth + 1;
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

    /// The number of a list's last element.
    pub(crate) fn last(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(NONE, |node| node.element)
    }

    /// The list with one more element, if it is a prefix of a read.
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

    /// The prefix of a list with this many elements.
    fn prefix(&self, mut node: u32, depth: u32) -> u32 {
        loop {
            let TrieNode { depth: node_depth, run, parent, .. } = self.nodes[node as usize];
            let steps_up = node_depth - depth;
            if steps_up <= node - run {
                return node - steps_up;
            }
            node = if run == node { parent } else { run };
        }
    }

    /// The list's prefix with one element; the empty list itself.
    #[inline]
    pub(crate) fn root(&self, node: u32) -> u32 {
        match self.nodes.get(node as usize) {
            Some(trie_node) if trie_node.depth > 1 => self.prefix(node, 1),
            _ => node,
        }
    }

    /// The number of the element to append first on the way from one list to another; `None`: appending does not lead
    /// there.
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
    fn prefixes_are_found() {
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
