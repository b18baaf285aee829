import Bytes
import Wire

/// What the test service reads of its requests, whose fields Protos/test.proto has.
struct TestRequest {
  /// One answer that a request asks for.
  struct Answer {
    var bytes = 0
    /// Before it.
    var intervalMicroseconds: Int64 = 0
    var isCompressed = false
  }

  /// Which fields of the payload, the answers and so on a message has.
  enum Kind {
    case simple
    case streamingInput
    case streamingOutput
  }

  private(set) var payloadBytes = 0
  /// One of a `SimpleRequest`.
  private(set) var answers: [Answer] = []
  /// What the call has to end with.
  private(set) var status: RPCStatus?
  private(set) var expectsCompressed = false

  init(_ message: UnsafeRawBufferPointer, _ kind: Kind) throws(RPCStatus) {
    var single = Answer()
    do throws(ProtobufError) {
      var reader = ProtobufReader(message)
      while !reader.isAtEnd {
        let tag = try reader.nextTag()
        switch (kind, tag.number, tag.wireType) {
        case (.simple, 2, 0): single.bytes = Int(Int32(truncatingIfNeeded: try reader.nextVarint()))
        case (.streamingOutput, 2, 2):
          answers.append(try Self.answer(try reader.nextLengthDelimited()))
        case (.simple, 3, 2), (.streamingOutput, 3, 2), (.streamingInput, 1, 2):
          payloadBytes = try Self.payloadBytes(try reader.nextLengthDelimited())
        case (.simple, 7, 2), (.streamingOutput, 7, 2):
          status = try Self.status(try reader.nextLengthDelimited())
        case (.simple, 6, 2):
          single.isCompressed = try Self.number(1, in: try reader.nextLengthDelimited()) != 0
        case (.simple, 8, 2), (.streamingInput, 2, 2):
          expectsCompressed = try Self.number(1, in: try reader.nextLengthDelimited()) != 0
        default: try reader.skip(tag)
        }
      }
    } catch {
      throw RPCStatus(.internal, reason: "MALFORMED_REQUEST", "the request is malformed: \(error)")
    }
    if kind == .simple { answers = [single] }
    guard answers.allSatisfy({ 0...Self.maximumAnswerBytes ~= $0.bytes }) else {
      throw RPCStatus(
        .invalidArgument, reason: "ANSWER_SIZE",
        "answers have 0 to \(Self.maximumAnswerBytes) bytes")
    }
  }

  private static let maximumAnswerBytes = 64 << 20

  private static func answer(_ message: UnsafeRawBufferPointer) throws(ProtobufError) -> Answer {
    Answer(
      bytes: Int(Int32(truncatingIfNeeded: try number(1, in: message))),
      intervalMicroseconds: Int64(
        max(0, Int32(truncatingIfNeeded: try number(2, in: message)))),
      isCompressed: try flag(3, in: message))
  }

  /// A `BoolValue`; false when it is not there.
  private static func flag(
    _ field: Int, in message: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> Bool {
    guard let value = try bytes(field, in: message) else { return false }
    return try number(1, in: value) != 0
  }

  private static func payloadBytes(_ message: UnsafeRawBufferPointer) throws(ProtobufError) -> Int {
    try bytes(2, in: message)?.count ?? 0
  }

  private static func status(
    _ message: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> RPCStatus? {
    let code = try number(1, in: message)
    guard code != 0 else { return nil }
    let text = String(
      decoding: try bytes(2, in: message) ?? .init(start: nil, count: 0), as: UTF8.self)
    return RPCStatus(
      StatusCode(rawValue: UInt8(clamping: code)) ?? .unknown, reason: "ECHO", text)
  }

  /// The number of a field, 0 when it is not there.
  private static func number(
    _ field: Int, in message: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> UInt64 {
    var reader = ProtobufReader(message)
    var found: UInt64 = 0
    while !reader.isAtEnd {
      let tag = try reader.nextTag()
      if tag.number == field && tag.wireType == 0 {
        found = try reader.nextVarint()
      } else {
        try reader.skip(tag)
      }
    }
    return found
  }

  private static func bytes(
    _ field: Int, in message: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> UnsafeRawBufferPointer? {
    var reader = ProtobufReader(message)
    var found: UnsafeRawBufferPointer?
    while !reader.isAtEnd {
      let tag = try reader.nextTag()
      if tag.number == field && tag.wireType == 2 {
        found = try reader.nextLengthDelimited()
      } else {
        try reader.skip(tag)
      }
    }
    return found
  }
}

extension ByteWriter {
  /// Appends an answer with a payload of zeros.
  mutating func appendPayload(_ bytes: Int) {
    appendMessage(1) { payload in
      if bytes > 0 { payload.appendField(2, [UInt8](repeating: 0, count: bytes)) }
    }
  }
}
