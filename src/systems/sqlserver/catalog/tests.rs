use proptest::prelude::*;

use super::*;

fn attribute(base: &str, max_length: i64, precision: i64, scale: i64) -> Attribute {
    Attribute {
        name: "c".to_owned(),
        base_type: Some(base.to_owned()),
        user_type: None,
        max_length,
        precision,
        scale,
        collation: None,
        nullable: true,
        hidden: false,
        column_set: false,
        masked: false,
        encrypted: false,
        comment: None,
    }
}

#[test]
fn types_are_written_as_they_are_declared() {
    let table = [
        (attribute("decimal", 9, 15, 2), "decimal(15,2)"),
        (attribute("nvarchar", 40, 0, 0), "nvarchar(20)"),
        (attribute("nvarchar", -1, 0, 0), "nvarchar(max)"),
        (attribute("varchar", 40, 0, 0), "varchar(40)"),
        (attribute("datetime2", 8, 27, 7), "datetime2(7)"),
        (attribute("int", 4, 10, 0), "int"),
        (attribute("vector", 16, 0, 0), "type vector"),
    ];
    for (attribute, expected) in table {
        assert_eq!(attribute.own_text(), expected);
    }
    let mut named = attribute("varchar", 40, 0, 0);
    named.user_type = Some("phone".to_owned());
    named.collation = Some("Latin1_General_100_BIN2".to_owned());
    let expected = "varchar(40) (read as text; binary collation; type phone)";
    assert_eq!(named.native_text(Some(AS_TEXT)), expected);
}

#[test]
fn text_that_the_driver_would_misread_is_made_unicode() {
    for (base, collation, expected) in [
        ("varchar", "Latin1_General_100_CI_AS_SC_UTF8", true),
        ("char", "Latin1_General_100_BIN2_UTF8", true),
        ("text", "Japanese_CI_AS", true),
        ("varchar", "SQL_Latin1_General_CP850_BIN2", true),
        ("varchar", "SQL_Latin1_General_CP1_CI_AS", false),
        ("nvarchar", "Latin1_General_100_CI_AS_SC_UTF8", false),
    ] {
        let mut attribute = attribute(base, 20, 0, 0);
        attribute.collation = Some(collation.to_owned());
        let native = attribute.native_text(None);
        let found = Native::parse(&native).unwrap().converted;
        assert_eq!(found, expected, "{native}");
    }
}

#[test]
fn names_of_synonyms_are_taken_apart() {
    let parts = |text: &str| parse_name(text).unwrap();
    assert_eq!(parts("[dbo].[a]].b]"), ["dbo", "a].b"]);
    assert_eq!(parts("shop..t"), ["shop", "", "t"]);
    assert_eq!(parse_name("[dbo].[a"), None);
    assert_eq!(parse_name("[dbo]x"), None);
}

proptest! {
    #[test]
    fn any_name_is_read_back(parts in prop::collection::vec(".{0,8}", 1..4)) {
        let quoted: Vec<String> = parts.iter().map(|part| quote(part)).collect();
        prop_assert_eq!(parse_name(&quoted.join(".")), Some(parts));
    }
}
