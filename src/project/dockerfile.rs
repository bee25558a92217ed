/// What of a Dockerfile decides whether it can be built and what goes into the image.
/// <https://docs.docker.com/reference/dockerfile/>
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Dockerfile {
    /// The names of the stages that have one, in lower case.
    pub(crate) stages: Vec<String>,
    /// Whether there is a stage at all.
    pub(crate) has_from: bool,
    /// What the stages begin with, as it is written, with the line; earlier stages are left out.
    pub(crate) bases: Vec<(usize, String)>,
    /// What `ARG`s before the first stage default to.
    pub(crate) defaults: Vec<(String, String)>,
    /// The first instruction, if it is none that may stand before the first `FROM`.
    pub(crate) before_from: Option<Instruction>,
    /// What is copied from the context, as it is written, with the line.
    pub(crate) copied: Vec<(usize, String)>,
}

/// An instruction and its line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl Dockerfile {
    pub(crate) fn parse(text: &str) -> Self {
        let mut file = Self::default();
        for instruction in instructions(text) {
            match instruction.name.as_str() {
                "FROM" => {
                    file.has_from = true;
                    let base = base(&instruction.arguments)
                        .filter(|base| !file.stages.contains(&base.to_lowercase()));
                    file.bases.extend(base.map(|base| (instruction.line, base)));
                    file.stages.extend(stage(&instruction.arguments));
                }
                "ARG" if !file.has_from => file.defaults.extend(defaults(&instruction.arguments)),
                "COPY" | "ADD" => {
                    file.copied
                        .extend(sources(&instruction.arguments).map(|source| (instruction.line, source)));
                }
                _ => {}
            }
            if !file.has_from && instruction.name != "ARG" && file.before_from.is_none() {
                file.before_from = Some(instruction);
            }
        }
        file
    }
}

/// The instructions, those over several lines as one, without comments and here-documents' contents.
fn instructions(text: &str) -> Vec<Instruction> {
    let mut instructions: Vec<Instruction> = Vec::new();
    let mut open = false;
    let mut document: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(end) = &document {
            if line.trim() == end {
                document = None;
            }
            continue;
        }
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (content, continues) =
            trimmed.strip_suffix('\\').map_or((trimmed, false), |content| (content, true));
        match instructions.last_mut().filter(|_| open) {
            Some(last) => {
                last.arguments.push(' ');
                last.arguments.push_str(content.trim());
            }
            None => instructions.push(instruction(index + 1, content)),
        }
        open = continues;
        document = here_document(trimmed);
    }
    instructions
}

fn instruction(line: usize, content: &str) -> Instruction {
    let (name, arguments) = content.split_once(char::is_whitespace).unwrap_or((content, ""));
    Instruction { line, name: name.to_uppercase(), arguments: arguments.trim().to_owned() }
}

/// The word that ends a here-document which begins in this line: `RUN <<EOF`.
fn here_document(line: &str) -> Option<String> {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix("<<"))?;
    let word = word.trim_start_matches('-').trim_matches(['"', '\'']);
    (!word.is_empty()).then(|| word.to_owned())
}

/// `FROM --platform=linux/amd64 image AS name`.
fn base(arguments: &str) -> Option<String> {
    arguments.split_whitespace().find(|word| !word.starts_with("--")).map(str::to_owned)
}

/// `ARG NAME=value OTHER`.
fn defaults(arguments: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = arguments.split_whitespace().filter_map(|word| word.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
}

/// `FROM image AS name`.
fn stage(arguments: &str) -> Option<String> {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    match words.as_slice() {
        [.., word, name] if word.eq_ignore_ascii_case("as") => Some(name.to_lowercase()),
        _ => None,
    }
}

/// What a `COPY` or `ADD` takes from the context; nothing if it takes it from a stage, and without what is only known
/// when the image is built.
fn sources(arguments: &str) -> impl Iterator<Item = String> {
    let list: Option<Vec<String>> =
        arguments.find('[').and_then(|start| serde_json::from_str(&arguments[start..]).ok());
    let from_stage = arguments.split_whitespace().any(|word| word.starts_with("--from="));
    let mut words = list.unwrap_or_else(|| {
        let words = arguments.split_whitespace().filter(|word| !word.starts_with("--"));
        words.map(|word| word.trim_matches('"').to_owned()).collect()
    });
    words.pop();
    words.into_iter().filter(move |word| !from_stage && !word.contains(['$', '<']) && !word.contains("://"))
}

/// A path in a directory; nothing for one that leaves it, or that is a pattern.
pub(crate) fn within(directory: &str, path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") || path.contains(['*', '?', '[']) {
        return None;
    }
    let directory = Some(directory).filter(|directory| *directory != ".");
    let joined: Vec<&str> = directory.into_iter().chain(parts).collect();
    Some(if joined.is_empty() { ".".to_owned() } else { joined.join("/") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_and_sources_are_found() {
        let text = "# syntax=docker/dockerfile:1\nARG V=1\nFROM a:$V AS Build\nCOPY --chown=1:1 src \\\n  # why\n  \
                    lib /out/\nRUN <<EOF\nCOPY not this\nEOF\nfrom scratch\nCOPY --from=build /out /\n\
                    COPY [\"a b\", \"/x\"]\nADD https://example.com/x $Y /z\n";
        let file = Dockerfile::parse(text);
        assert!(file.has_from && file.before_from.is_none());
        assert_eq!(file.stages, ["build"]);
        assert_eq!(file.bases, [(3, "a:$V".to_owned()), (10, "scratch".to_owned())]);
        assert_eq!(file.defaults, [("V".to_owned(), "1".to_owned())]);
        let copied: Vec<(usize, &str)> =
            file.copied.iter().map(|(line, path)| (*line, path.as_str())).collect();
        assert_eq!(copied, [(4, "src"), (4, "lib"), (12, "a b")]);
    }
}
