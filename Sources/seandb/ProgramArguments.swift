import CProgram
import Glibc

// SAFETY: main()'s arguments are C strings that stand for as long as the process lives.

/// What the program was called with.
enum ProgramArguments {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The arguments behind the program's name.
  ///
  /// - Throws: when one is not UTF-8, so that a `String` would be another argument.
  static func read() throws(Failure) -> [String] {
    var arguments: [String] = []
    for bytes in raw().dropFirst() {
      guard let argument = String(validating: bytes, as: UTF8.self) else {
        throw Failure(
          description:
            "the argument \"\(escaped(bytes))\" is not UTF-8; rename the file, or set up the "
            + "terminal for UTF-8")
      }
      arguments.append(argument)
    }
    return arguments
  }

  private static func raw() -> [[UInt8]] {
    (0..<program_argument_count()).map { index in
      guard let text = unsafe program_argument(index) else { return [] }
      return unsafe Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
  }

  private static func escaped(_ bytes: [UInt8]) -> String {
    bytes.map { byte in
      (0x20..<0x7F).contains(byte)
        ? String(UnicodeScalar(byte))
        : "\\x" + String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
  }
}
