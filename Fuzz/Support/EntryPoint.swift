import Glibc

// SAFETY: set once, by libFuzzer's only thread before it makes the first input.
private nonisolated(unsafe) var target: any FuzzTarget.Type = BlockTarget.self

/// Chooses the target by the program's name, so that one program under several names is all of them.
///
/// Two uses are not libFuzzer's: `--list` prints each target's name and longest input, `--write-seeds
/// FOLDER` writes the seeds of all targets to `FOLDER/TARGET/`.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _ argumentCount: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
  let words = (0..<Int(argumentCount.pointee)).map { index in
    arguments.pointee[index].map { String(cString: $0) } ?? ""
  }
  if words.dropFirst().first == "--list" {
    for target in FuzzTargets.all { print(target.name, target.maximumBytes) }
    exit(0)
  }
  if words.count == 3, words[1] == "--write-seeds" {
    for target in FuzzTargets.all { writeSeeds(of: target, to: words[2]) }
    exit(0)
  }
  let name = words[0].split(separator: "/").last.map(String.init) ?? ""
  guard let named = FuzzTargets.all.first(where: { $0.name == name }) else {
    let names = FuzzTargets.all.map { $0.name }.joined(separator: ", ")
    print("no target is called \(name); there are \(names)")
    exit(2)
  }
  target = named
  return 0
}

/// libFuzzer's call for each input; `bytes` is an allocation of exactly `count`.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafeRawPointer, _ count: Int) -> CInt {
  target.run(UnsafeRawBufferPointer(start: bytes, count: count))
  return 0
}

private func writeSeeds(of target: any FuzzTarget.Type, to folder: String) {
  let folder = folder + "/" + target.name
  mkdir(folder, 0o755)
  do {
    for (index, seed) in try target.seeds().enumerated() {
      require(seed.count <= target.maximumBytes, "seed \(index) of \(target.name) is short")
      guard let file = fopen("\(folder)/seed-\(index)", "w") else {
        print("cannot write to \(folder)")
        exit(1)
      }
      _ = seed.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
      fclose(file)
    }
  } catch {
    print("cannot make the seeds of \(target.name): \(error)")
    exit(1)
  }
}
