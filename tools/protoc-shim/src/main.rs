//! As much of `protoc` as `prost-build` calls: .proto files in, a file descriptor set out, by way of `protox`.

use std::process::ExitCode;

fn run(mut args: impl Iterator<Item = String>) -> Result<(), Box<dyn std::error::Error>> {
    let (mut includes, mut files, mut out) = (Vec::new(), Vec::new(), None);
    let (mut imports, mut source_info) = (false, false);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--version" => return Ok(println!("libprotoc 27.1")),
            "--include_imports" => imports = true,
            "--include_source_info" => source_info = true,
            // Long since the default; prost-build's users still pass it for old releases of protoc.
            "--experimental_allow_proto3_optional" => {}
            "-o" | "--descriptor_set_out" => out = Some(args.next().ok_or("-o needs a file")?),
            "-I" | "--proto_path" => includes.push(args.next().ok_or("-I needs a folder")?),
            other => match other.split_once('=') {
                Some(("--descriptor_set_out", file)) => out = Some(file.to_owned()),
                Some(("--proto_path", folder)) => includes.push(folder.to_owned()),
                _ if other.starts_with("-I") => includes.push(other["-I".len()..].to_owned()),
                _ if other.starts_with('-') => {
                    return Err(format!("unsupported flag {other}; install a real protoc").into());
                }
                _ => files.push(arg),
            },
        }
    }
    if includes.is_empty() {
        includes.push(".".to_owned());
    }
    let mut compiler = protox::Compiler::new(includes)?;
    compiler
        .include_imports(imports)
        .include_source_info(source_info)
        .open_files(files)
        // Only `Debug` says which file and line.
        .map_err(|error| format!("{error:?}"))?;
    Ok(std::fs::write(
        out.ok_or("-o FILE is missing")?,
        compiler.encode_file_descriptor_set(),
    )?)
}

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("protoc (tools/protoc-shim): {error}");
            ExitCode::FAILURE
        }
    }
}
