/// What to do about an error of protoc that names a well-known file or type.
enum ProtocAdvice {
  /// What to add to the message; nil when it is about something else.
  static func advice(on message: String, file: String) -> String? {
    if message == "File not found.", ImportedFile.isWellKnown(file) {
      return " It comes with protoc: install its include files (Debian, Ubuntu: apt-get install "
        + "libprotobuf-dev; elsewhere: the `include` folder of the protoc release)"
    }
    let parts = message.split(separator: "\"", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].isEmpty, parts[2].hasPrefix(" is not defined") else {
      return nil
    }
    let name = parts[1].split(separator: ".").last.map(String.init) ?? ""
    let isInFull = parts[1].hasSuffix("google.protobuf.\(name)")
    guard let file = files[name], isInFull || parts[1] == name else { return nil }
    let importing = "import \"google/protobuf/\(file).proto\";"
    return isInFull
      ? " Write `\(importing)`" : " Write google.protobuf.\(name) and `\(importing)`"
  }

  private static let files: [String: String] = {
    var files = [
      "Any": "any", "Timestamp": "timestamp", "Duration": "duration", "Empty": "empty",
      "FieldMask": "field_mask", "SourceContext": "source_context",
    ]
    for name in ["Struct", "Value", "ListValue", "NullValue"] { files[name] = "struct" }
    for name in [
      "Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes",
    ] {
      files[name + "Value"] = "wrappers"
    }
    return files
  }()
}
