//! Writes the CustomResourceDefinitions into a directory, or prints them. `cargo xtask codegen`
//! runs it; nothing at run time does.

#![expect(clippy::print_stdout, reason = "printing the definitions is what this program is for")]

use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1);
    for file in loka_api::crd::files()? {
        match &directory {
            Some(directory) => {
                let path = Path::new(directory).join(&file.name);
                std::fs::write(&path, &file.text)
                    .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
                println!("{}", path.display());
            }
            None => print!("---\n{}", file.text),
        }
    }
    Ok(())
}
