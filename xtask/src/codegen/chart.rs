//! What the chart takes from elsewhere: the resource definitions as templates, and the table of its values in words.
//!
//! It reads text as text: the definitions are YAML that we write ourselves, and so are the values.

/// The directory of the templates that are written here.
pub(super) const TEMPLATES: &str = "charts/loka-stratum/templates/crds";

/// The values that the table is made of.
pub(super) const VALUES: &str = "charts/loka-stratum/values.yaml";

/// The table.
pub(super) const TABLE: &str = "docs/values.md";

/// The line below which the template has its annotations and labels.
const METADATA: &str = "metadata:\n";

const BEFORE: &str = "{{- if .Values.crds.enabled }}\n";

const BELOW_METADATA: &str = "  \
  labels:
    {{- include \"stratum.labels\" . | nindent 4 }}
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
";

const AFTER: &str = "{{- end }}\n";

/// Puts words of the definitions that helm would take for its own between quotes of helm's.
const BRACES: (&str, &str) = ("{{", "{{ \"{{\" }}");

const TABLE_HEAD: &str = "\
# Values of the chart

Written from the comments of `charts/loka-stratum/values.yaml` by `cargo xtask codegen`. How they are used:
[installing.md](installing.md).

| Value | Default | Says |
|---|---|---|
";

/// A definition as a template of the chart.
pub(super) fn template(definition: &str) -> Result<String, String> {
    let (wrong, right) = BRACES;
    let definition = definition.replace(wrong, right);
    let (head, rest) =
        definition.split_once(METADATA).ok_or("a resource definition without `metadata:`")?;
    Ok([BEFORE, head, METADATA, BELOW_METADATA, rest, AFTER].concat())
}

/// The table of all values that have a comment beginning with `# --`.
pub(super) fn table(values: &str) -> String {
    let mut text = TABLE_HEAD.to_owned();
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut comment = String::new();
    for line in values.lines() {
        let trimmed = line.trim_start();
        if let Some(says) = trimmed.strip_prefix('#') {
            remember(&mut comment, says.trim());
            continue;
        }
        let Some((key, value)) = trimmed.split_once(':') else {
            comment.clear();
            continue;
        };
        let depth = line.len() - trimmed.len();
        path.retain(|(above, _)| *above < depth);
        path.push((depth, key));
        if !comment.is_empty() {
            let keys: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
            let default = match value.trim() {
                "" => "in the file".to_owned(),
                plain => format!("`{plain}`"),
            };
            text.push_str(&format!("| `{}` | {default} | {comment} |\n", keys.join(".")));
            comment.clear();
        }
    }
    text
}

/// Takes a line of a comment: `--` begins one, and what follows goes on with it.
fn remember(comment: &mut String, line: &str) {
    if let Some(first) = line.strip_prefix("-- ") {
        first.clone_into(comment);
    } else if !comment.is_empty() {
        comment.push(' ');
        comment.push_str(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_becomes_a_template_that_can_be_left_out_and_kept() {
        let text = template("kind: X\nmetadata:\n  name: a\nspec: \"{{b}}\"\n").unwrap();
        assert!(
            text.starts_with("{{- if .Values.crds.enabled }}\nkind: X\nmetadata:\n  labels:\n")
        );
        assert!(text.contains("\n    helm.sh/resource-policy: keep\n"), "{text}");
        assert!(text.ends_with("  name: a\nspec: \"{{ \"{{\" }}b}}\"\n{{- end }}\n"), "{text}");
        assert!(template("kind: X\n").is_err());
    }

    #[test]
    fn values_are_listed_by_their_whole_path_with_their_comment() {
        let values = "# about the file\na: 1\n\nb:\n  # -- first\n  # second\n  c: \"\"\n  d: 2\n# -- e\ne:\n  f: 3\n";
        let text = table(values);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows, ["| `b.c` | `\"\"` | first second |", "| `e` | in the file | e |"]);
    }

    /// The chart looks for images of its own version: whoever builds them must be told the same one.
    #[test]
    fn chart_and_images_have_the_version_of_the_workspace() {
        let read = |path| std::fs::read_to_string(crate::workspace::root().join(path)).unwrap();
        let manifest = read("Cargo.toml");
        let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap();
        let version = version.trim_matches('"');
        for (path, wanted) in [
            ("charts/loka-stratum/Chart.yaml", "\nversion: VERSION\n"),
            ("charts/loka-stratum/Chart.yaml", "\nappVersion: \"VERSION\"\n"),
            ("deploy/kind/up.sh", "\ntag=VERSION "),
            ("deploy/kind/practice.yaml", "image: loka-practice:VERSION\n"),
            ("deploy/Dockerfile", "-t stratum-operator:VERSION "),
            ("README.md", "-t $i:VERSION "),
            ("README.md", "stratum-proxy:VERSION stratum-operator:VERSION loka-practice:VERSION\n"),
        ] {
            let wanted = wanted.replace("VERSION", version);
            assert!(read(path).contains(&wanted), "{path} lacks {wanted:?}");
        }
    }
}
