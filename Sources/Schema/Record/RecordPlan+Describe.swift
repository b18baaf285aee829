extension RecordPlan {
  /// A sentence for the sender of the record: what is wrong, where, and what is needed.
  package func describe(_ error: RecordError) -> String {
    let subject = subject(of: error)
    switch error.reason {
    case .truncated:
      return
        "the record is cut off: a field or value at byte \(error.offset) does not end in it; send it whole"
    case .malformedVarint:
      return "the record is no protobuf message: the number at byte \(error.offset) is too long"
        + Self.encodingAdvice
    case .invalidTag:
      return "the record is no protobuf message: there is no valid field number at byte "
        + "\(error.offset)\(Self.encodingAdvice)"
    case .invalidWireType:
      return "the record is no protobuf message: byte \(error.offset) has wire type "
        + "\(error.wireType), which does not exist"
        + Self.encodingAdvice
    case .unmatchedGroup:
      return "the record is no protobuf message: a group ends at byte \(error.offset) that did not "
        + "begin" + Self.encodingAdvice
    case .malformedPacked:
      return "\(subject): the packed value at byte \(error.offset) is cut off or too long"
        + Self.encodingAdvice
    case .wrongWireType:
      return "\(subject): expected \(expectation(for: error)), found "
        + "\(Self.found(error.wireType)) at byte \(error.offset); generate the client from this server's schema"
    case .invalidUTF8:
      return "\(subject): the string is not UTF-8 at byte \(error.offset); use a bytes field for "
        + "other data"
    case .tooDeep:
      return "the record nests messages deeper than \(Self.maximumDepth) levels at byte "
        + "\(error.offset); nest less"
    case .requiredMissing:
      return
        "\(subject): the field is required and missing in the message at byte \(error.offset); set it"
    case .keyMissing:
      return "\(subject): the key is missing; set it to 1 to \(Self.maximumKeySize) bytes"
    case .keyFieldMissing:
      return "\(subject): the field is a part of the key and is not set; set it"
    case .keyEmpty:
      return "\(subject): the key is empty; set it to 1 to \(Self.maximumKeySize) bytes"
    case .keyTooLong:
      return "\(subject): the key has more than \(Self.maximumKeySize) bytes; take a shorter one"
    case .keyOutOfRange:
      return
        "\(subject): the value is out of the range of its type, and keys are exact; send one that the type has"
    case .notForWrites:
      return "\(subject) is set, and a BatchPut looks at no etags: it replaces whatever is there; "
        + "leave it out"
    }
  }

  private static let encodingAdvice = "; encode it with a protobuf library"

  /// ``field `age` (3) of database.Dog``
  private func subject(of error: RecordError) -> String {
    let message = Int(error.messageIndex)
    guard messageNames.indices.contains(message) else { return "the record" }
    let name = name(ofField: error.fieldNumber, inMessage: message).map { "`\($0)` " } ?? ""
    return "field \(name)(\(error.fieldNumber)) of \(messageNames[message])"
  }

  private func expectation(for error: RecordError) -> String {
    let message = Int(error.messageIndex)
    guard messageNames.indices.contains(message) else { return WireKind.unknown.expectation }
    return kind(ofField: Int(error.fieldNumber), inMessage: message).expectation
  }

  private static func found(_ wireType: UInt8) -> String {
    switch wireType {
    case 0: "a varint"
    case 1: "a 64-bit value"
    case 2: "a length-delimited value"
    case 3: "a group"
    case 5: "a 32-bit value"
    default: "wire type \(wireType)"
    }
  }
}
