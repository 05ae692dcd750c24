//! The public API as text: what `src` declares, without documentation, bodies and private parts,
//! must be what `tests/public_api.txt` says. An intended change renews that file:
//!
//! ```sh
//! PRESENCE_RENEW=1 cargo test --test public_api
//! ```
//!
//! It is read from the source, so that every `cargo test` can compare it. The compiler's own
//! description needs a nightly one, in a format that changes with it every few months. All that is
//! declared `pub` can be reached from outside, or the lint `unreachable_pub` says so; `lib.rs` says
//! under which names.

#[path = "common/source.rs"]
mod source;

use core::mem;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;

use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Block, Field, FieldsNamed, FieldsUnnamed, ImplItem, Item, ItemImpl, Path, Type,
    Variant, Visibility, parse_quote,
};

const SNAPSHOT: &str = "tests/public_api.txt";
const RENEW: &str = "PRESENCE_RENEW";

/// What changes no program that uses an item.
const SILENT: [&str; 6] = ["doc", "inline", "expect", "cold", "error", "rustfmt"];

#[test]
fn the_public_api_is_the_one_agreed_upon() {
    let found = public_api(&source::files(&["src"], &[".rs"]));
    if env::var_os(RENEW).is_some() {
        fs::write(format!("{}{SNAPSHOT}", source::ROOT), found).expect("the file can be written");
        return;
    }
    let agreed = source::read(SNAPSHOT);
    let (agreed, found): (Vec<_>, Vec<_>) = (agreed.lines().collect(), found.lines().collect());
    let same = agreed.iter().zip(&found).take_while(|(agreed, found)| agreed == found).count();
    let around =
        |lines: &[&str]| lines[same.saturating_sub(4)..lines.len().min(same + 8)].join("\n");
    assert!(
        agreed == found,
        "the public API is not that of {SNAPSHOT}, line {}. Agreed is\n\n{}\n\nand found\n\n{}\n\n\
         If that is intended: {RENEW}=1 cargo test --test public_api",
        same + 1,
        around(&agreed),
        around(&found)
    );
}

#[test]
fn only_what_is_public_counts() {
    let text = "
        //! A page.
        pub use b::B;
        use c::C;
        /// A type.
        #[derive(Clone)]
        #[must_use]
        pub struct B<T> { pub one: T, two: u8, three: u8 }
        pub struct Wrapped(u64, pub u8);
        struct Hidden;
        pub(crate) struct Inside;
        impl<T> B<T> {
            #[inline]
            pub fn shown(&self, other: &str) -> u8 { other.len() as u8 + self.two }
            fn hidden(&self) {}
        }
        impl Hidden { pub fn unseen(&self) {} }
        impl<T> B<T> { pub const FIRST: u8 = 1; }
        impl Drop for Hidden { fn drop(&mut self) {} }
        impl<T> Iterator for B<T> { type Item = T; fn next(&mut self) -> Option<T> { None } }
        #[cfg(test)]
        pub mod tests { pub struct Test; }
    ";
    let file = source::File { path: "src/lib.rs".to_owned(), text: text.to_owned() };
    let expected = "\
pub use b::B;

#[derive(Clone)]
#[must_use]
pub struct B<T> {
    pub one: T,
    private: (),
}

impl<T> B<T> {
    pub const FIRST: u8 = 1;
    pub fn shown(&self, other: &str) -> u8 {}
}

impl<T> Iterator for B<T> {
    type Item = T;
}

pub struct Wrapped((), pub u8);
";
    assert_eq!(public_api(&[file]), expected);
}

/// All public items in the order of their names, each followed by what is implemented for it.
fn public_api(files: &[source::File]) -> String {
    let mut items = Vec::new();
    for file in files.iter().filter(|file| !file.path.ends_with("/tests.rs")) {
        let parsed = syn::parse_file(&file.text);
        items.extend(parsed.unwrap_or_else(|error| panic!("{}: {error}", file.path)).items);
    }
    let public: BTreeSet<String> = items.iter().filter_map(public_name).collect();
    let mut shown = Shown::new();
    for mut item in items {
        Strip.visit_item_mut(&mut item);
        match (public_name(&item), item) {
            (_, Item::Impl(item)) => add_impl(&mut shown, &public, item),
            // What a macro makes may be public, and stands in its text.
            (_, item @ Item::Macro(_)) => add(&mut shown, "~ macros", 0, item),
            (Some(name), item) => add(&mut shown, &name, 0, item),
            (None, _) => {}
        }
    }
    let texts: Vec<_> =
        shown.values().map(|item| prettyplease::unparse(&parse_quote!(#item))).collect();
    texts.join("\n")
}

/// What is public: by the name to which it belongs, whether it is the item itself (0), its own
/// functions (1) or a trait's (2), and its head.
type Shown = BTreeMap<(String, u8, String), Item>;

fn add(shown: &mut Shown, name: &str, kind: u8, item: Item) {
    let head = match &item {
        Item::Impl(item) => ItemImpl { items: Vec::new(), ..item.clone() }.to_token_stream(),
        item => item.to_token_stream(),
    };
    match (shown.entry((name.to_owned(), kind, head.to_string())), item) {
        (Entry::Vacant(place), item) => drop(place.insert(item)),
        (Entry::Occupied(mut known), Item::Impl(more)) => {
            let Item::Impl(known) = known.get_mut() else { unreachable!("its head is of an impl") };
            known.items.extend(more.items);
            known.items.sort_by_cached_key(member_name);
        }
        (Entry::Occupied(known), _) => panic!("{:?} stands twice", known.key()),
    }
}

/// Adds what is implemented by a public type, or by any type of a public trait.
fn add_impl(shown: &mut Shown, public: &BTreeSet<String>, mut item: ItemImpl) {
    let last = |path: &Path| path.segments.last().map(|segment| segment.ident.to_string());
    let by = match &*item.self_ty {
        Type::Path(by) => last(&by.path),
        _ => None,
    };
    let of = item.trait_.as_ref().and_then(|(path, _)| last(path));
    let is_of_trait = of.is_some();
    item.items.retain(|member| match member {
        // The functions of a trait are those that the trait names.
        ImplItem::Fn(function) => is_public(&function.vis),
        ImplItem::Const(constant) => is_of_trait || is_public(&constant.vis),
        _ => is_of_trait,
    });
    let owner = [by, of].into_iter().flatten().find(|name| public.contains(name));
    if let Some(owner) = owner.filter(|_| is_of_trait || !item.items.is_empty()) {
        item.items.sort_by_cached_key(member_name);
        add(shown, &owner, 1 + u8::from(is_of_trait), Item::Impl(item));
    }
}

fn member_name(member: &ImplItem) -> String {
    match member {
        ImplItem::Const(member) => member.ident.to_string(),
        ImplItem::Fn(member) => member.sig.ident.to_string(),
        ImplItem::Type(member) => member.ident.to_string(),
        member => member.to_token_stream().to_string(),
    }
}

/// The name of an item that is public; that of a re-export sorts before all others.
fn public_name(item: &Item) -> Option<String> {
    let (visibility, name) = match item {
        Item::Const(item) => (&item.vis, item.ident.to_string()),
        Item::Enum(item) => (&item.vis, item.ident.to_string()),
        Item::Fn(item) => (&item.vis, item.sig.ident.to_string()),
        Item::Static(item) => (&item.vis, item.ident.to_string()),
        Item::Struct(item) => (&item.vis, item.ident.to_string()),
        Item::Trait(item) => (&item.vis, item.ident.to_string()),
        Item::Type(item) => (&item.vis, item.ident.to_string()),
        Item::Union(item) => (&item.vis, item.ident.to_string()),
        Item::Use(item) => (&item.vis, String::new()),
        _ => return None,
    };
    is_public(visibility).then_some(name)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Leaves of an item what others can see of it.
struct Strip;

impl VisitMut for Strip {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| !SILENT.iter().any(|name| attribute.path().is_ident(name)));
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        block.stmts.clear();
    }

    fn visit_fields_named_mut(&mut self, fields: &mut FieldsNamed) {
        let count = fields.named.len();
        fields.named = mem::take(&mut fields.named).into_iter().filter(is_shown).collect();
        if fields.named.len() < count {
            fields.named.push(parse_quote!(private: ()));
        }
        visit_mut::visit_fields_named_mut(self, fields);
    }

    fn visit_fields_unnamed_mut(&mut self, fields: &mut FieldsUnnamed) {
        for field in fields.unnamed.iter_mut().filter(|field| !is_shown(field)) {
            field.ty = parse_quote!(());
        }
        visit_mut::visit_fields_unnamed_mut(self, fields);
    }

    /// The fields of a variant are as public as the enum.
    fn visit_variant_mut(&mut self, variant: &mut Variant) {
        self.visit_attributes_mut(&mut variant.attrs);
        for field in &mut variant.fields {
            self.visit_attributes_mut(&mut field.attrs);
        }
    }
}

fn is_shown(field: &Field) -> bool {
    is_public(&field.vis)
}
