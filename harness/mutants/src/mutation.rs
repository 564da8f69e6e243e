//! Mistakes of one token, found in a source file, and the source with a switch at each of them.

use proc_macro2::Span;
use std::fmt;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, BinOp, Expr, ImplItem, Item, ItemConst, ItemEnum, ItemStatic, Lit, Pat, Stmt, Type, UnOp,
};

/// One change of one token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mutation {
    /// The file, from the folder of the package.
    pub(crate) file: String,
    /// The line of the token, and its place in it; the first is 1.
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The bytes of the expression or statement that gets a switch.
    pub(crate) whole: Range<usize>,
    /// The bytes that are replaced: a part of `whole`.
    pub(crate) token: Range<usize>,
    /// What stands there.
    pub(crate) old: String,
    /// What it becomes; nothing for a statement that is left out.
    pub(crate) new: String,
    /// Whether `whole` is a statement, with its semicolon.
    pub(crate) is_statement: bool,
}

impl fmt::Display for Mutation {
    #[expect(clippy::disallowed_methods, reason = "puts a statement of several lines into one")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let old: Vec<&str> = self.old.split_ascii_whitespace().collect();
        write!(f, "{}:{}:{} `{}` -> `{}`", self.file, self.line, self.column, old.join(" "), self.new)
    }
}

/// All mutations of a source file, in order.
///
/// Left out are items with a `cfg` (tests, and the code that only a feature has), constants and `const fn` (a switch is
/// not constant), types, patterns, and the arguments of macros.
///
/// # Errors
///
/// The text is no Rust source.
pub(crate) fn find(file: &str, text: &str) -> syn::Result<Vec<Mutation>> {
    let mut finder = Finder { file, text, found: Vec::new() };
    finder.visit_file(&syn::parse_file(text)?);
    Ok(finder.found)
}

struct Finder<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<Mutation>,
}

/// Whether an item has an attribute `cfg`.
fn is_conditional(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("cfg"))
}

impl Finder<'_> {
    fn push(&mut self, whole: Span, token: Span, new: &str, is_statement: bool) {
        let (start, whole, token) = (token.start(), whole.byte_range(), token.byte_range());
        let (line, column) = (start.line, start.column + 1);
        let (file, old) = (self.file.to_owned(), self.text[token.clone()].to_owned());
        self.found.push(Mutation {
            file,
            line,
            column,
            whole,
            token,
            old,
            new: new.to_owned(),
            is_statement,
        });
    }

    fn replace(&mut self, whole: Span, token: Span, new: &str) {
        self.push(whole, token, new, false);
    }

    fn literal(&mut self, expression: &Expr, literal: &Lit) {
        let span = expression.span();
        match literal {
            Lit::Bool(value) => self.replace(span, span, if value.value { "false" } else { "true" }),
            Lit::Int(value) => {
                let suffix = value.suffix();
                match value.base10_parse::<u128>() {
                    Ok(0) => self.replace(span, span, &format!("1{suffix}")),
                    Ok(1) => {
                        self.replace(span, span, &format!("0{suffix}"));
                        self.replace(span, span, &format!("2{suffix}"));
                    }
                    Ok(number) => self.replace(span, span, &format!("{}{suffix}", number - 1)),
                    Err(_) => {}
                }
            }
            _ => {}
        }
    }
}

/// Whether an operand of this chain of `&&` binds names.
fn binds(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}

/// The operators that are mistaken for this one.
fn mistaken(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Lt(_) => &["<=", ">"],
        BinOp::Le(_) => &["<", ">"],
        BinOp::Gt(_) => &[">=", "<"],
        BinOp::Ge(_) => &[">", "<"],
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Add(_) => &["-"],
        BinOp::Sub(_) => &["+"],
        BinOp::Mul(_) => &["+"],
        BinOp::Div(_) => &["*"],
        BinOp::AddAssign(_) => &["-=", "="],
        BinOp::SubAssign(_) => &["+=", "="],
        BinOp::BitOr(_) | BinOp::BitXor(_) => &["&"],
        BinOp::BitAnd(_) => &["|"],
        BinOp::BitOrAssign(_) => &["&=", "="],
        BinOp::BitAndAssign(_) => &["|=", "="],
        _ => &[],
    }
}

/// The method that is mistaken for this one.
fn mistaken_method(name: &str) -> Option<&'static str> {
    Some(match name {
        "min" => "max",
        "max" => "min",
        "all" => "any",
        "any" => "all",
        "first" => "last",
        "last" => "first",
        "is_some" => "is_none",
        "is_none" => "is_some",
        "is_some_and" => "is_none_or",
        "is_none_or" => "is_some_and",
        "saturating_add" => "saturating_sub",
        "saturating_sub" => "saturating_add",
        "next" => "prev",
        "prev" => "next",
        "and" => "or",
        "or" => "and",
        "push_back" => "push_front",
        "pop_front" => "pop_back",
        "front" => "back",
        "back" => "front",
        _ => return None,
    })
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) if item.sig.constness.is_some() => return,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            _ => &[],
        };
        if !is_conditional(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        match item {
            ImplItem::Fn(function)
                if function.sig.constness.is_none() && !is_conditional(&function.attrs) =>
            {
                visit::visit_impl_item(self, item);
            }
            _ => {}
        }
    }

    fn visit_item_const(&mut self, _: &'ast ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'ast ItemEnum) {}
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(expression, Some(_)) = statement {
            let is_effect = match expression {
                Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_) => true,
                Expr::Binary(binary) => !mistaken(&binary.op).is_empty(),
                _ => false,
            };
            if is_effect {
                self.push(statement.span(), statement.span(), "", true);
            }
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Binary(binary) if !binds(expression) => {
                for new in mistaken(&binary.op) {
                    self.replace(expression.span(), binary.op.span(), new);
                }
            }
            Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => {
                self.replace(expression.span(), unary.op.span(), "");
            }
            Expr::MethodCall(call) => {
                if let Some(new) = mistaken_method(&call.method.to_string()) {
                    self.replace(expression.span(), call.method.span(), new);
                }
            }
            Expr::Lit(literal) => self.literal(expression, &literal.lit),
            _ => {}
        }
        visit::visit_expr(self, expression);
    }
}

/// The source with a switch at each of these mutations of it, by number; they are in order.
#[must_use]
pub(crate) fn with_switches(text: &str, mutations: &[(usize, &Mutation)]) -> String {
    let mut whole = 0..text.len();
    render(text, &mut whole, mutations)
}

/// The text of `range`. No mutation is a part of another only in part.
fn render(text: &str, range: &mut Range<usize>, mutations: &[(usize, &Mutation)]) -> String {
    let mut rendered = String::new();
    let mut at = range.start;
    let inside = |mutation: &Mutation, range: &Range<usize>| {
        range.start <= mutation.whole.start && mutation.whole.end <= range.end
    };
    let mut rest: Vec<(usize, &Mutation)> =
        mutations.iter().copied().filter(|(_, mutation)| inside(mutation, range)).collect();
    // The outermost of those that begin first; a statement is outside of the expression in it.
    rest.sort_by_key(|(_, mutation)| (mutation.whole.start, std::cmp::Reverse(mutation.whole.end)));
    while let Some((_, first)) = rest.first().copied() {
        let mut whole = first.whole.clone();
        rendered.push_str(&text[at..whole.start]);
        let (same, others): (Vec<_>, Vec<_>) =
            rest.iter().copied().partition(|(_, mutation)| mutation.whole == whole);
        let (nested, after): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|(_, mutation)| inside(mutation, &whole));
        let mut switched = String::new();
        for (number, mutation) in same {
            let changed = [
                &text[whole.start..mutation.token.start],
                &mutation.new,
                &text[mutation.token.end..whole.end],
            ];
            switched += &format!("if crate::mutant::is({number}) {{ {} }} else ", changed.concat());
        }
        let original = render(text, &mut whole, &nested);
        let (open, close) = if first.is_statement { ("{", "}") } else { ("(", ")") };
        rendered += &format!("{open}{switched}{{ {original} }}{close}");
        (at, rest) = (whole.end, after);
    }
    rendered.push_str(&text[at..range.end]);
    rendered
}

#[cfg(test)]
mod tests {
    use super::{find, with_switches};

    fn described(text: &str) -> Vec<String> {
        find("a.rs", text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mistakes_of_one_token_are_found() {
        let text =
            "fn f(a: u64, b: &mut u64) -> bool {\n    g(1);\n    *b += a.min(3);\n    !(a < *b) && h()\n}\n";
        assert_eq!(
            described(text),
            [
                "a.rs:2:5 `g(1);` -> ``",
                "a.rs:2:7 `1` -> `0`",
                "a.rs:2:7 `1` -> `2`",
                "a.rs:3:5 `*b += a.min(3);` -> ``",
                "a.rs:3:8 `+=` -> `-=`",
                "a.rs:3:8 `+=` -> `=`",
                "a.rs:3:13 `min` -> `max`",
                "a.rs:3:17 `3` -> `2`",
                "a.rs:4:15 `&&` -> `||`",
                "a.rs:4:5 `!` -> ``",
                "a.rs:4:9 `<` -> `<=`",
                "a.rs:4:9 `<` -> `>`",
            ]
        );
    }

    #[test]
    fn what_is_no_code_that_runs_has_none() {
        let texts = [
            "const A: u64 = 1 + 2;",
            "const fn f() -> u64 { 1 }",
            "#[cfg(test)] mod tests { fn f() -> u64 { 1 } }",
            "fn f(a: [u8; 4]) { match a { [1, ..] => {} _ => {} } }",
            "#[cfg(feature = \"x\")] fn f() -> u64 { 1 }",
            "enum A { B = 1 }",
            "fn f() { debug_assert!(1 < 2); }",
        ];
        for text in texts {
            assert!(described(text).is_empty(), "{text}: {:?}", described(text));
        }
        // A chain that binds a name must stay a chain.
        assert_eq!(
            described("fn f() { if let A(b) = c && d < e {} }"),
            ["a.rs:1:31 `<` -> `<=`", "a.rs:1:31 `<` -> `>`"]
        );
    }

    #[test]
    fn each_switch_changes_its_token_only() {
        let text = "fn f() {\n    g(a < b, 1);\n}\n";
        let found = find("a.rs", text).unwrap();
        let numbered: Vec<_> = found.iter().enumerate().skip(1).take(3).collect();
        let expected = "fn f() {\n    g((if crate::mutant::is(1) { a <= b } else if crate::mutant::is(2) { a > b } else \
                        { a < b }), (if crate::mutant::is(3) { 0 } else { 1 }));\n}\n";
        assert_eq!(with_switches(text, &numbered), expected);
        let numbered: Vec<_> = found.iter().enumerate().take(2).collect();
        let expected = "fn f() {\n    {if crate::mutant::is(0) {  } else { g((if crate::mutant::is(1) { a <= b } else \
                        { a < b }), 1); }}\n}\n";
        assert_eq!(with_switches(text, &numbered), expected);
    }
}
