import Bytes
import Testing
import Wire

@Suite("Reflection service")
struct ReflectionServiceTests {
  private static let paths = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
  ]

  /// base.proto ← left.proto, right.proto ← top.proto, which declares one of everything.
  private static let base = descriptor("base.proto") { file in
    file.appendMessage(4) { message in
      message.appendField(1, "Base")
      message.appendMessage(5) { range in
        range.appendField(1, varint: 100)
        range.appendField(2, varint: 200)
      }
    }
  }
  private static let left = descriptor("left.proto", imports: ["base.proto"])
  private static let right = descriptor("right.proto", imports: ["base.proto", "lost.proto"])
  private static let top = descriptor(
    "top.proto", package: "zoo.v1", imports: ["left.proto", "right.proto"]
  ) {
    file in
    file.appendMessage(4) { message in
      message.appendField(1, "Dog")
      message.appendMessage(2) { $0.appendField(1, "pk") }
      message.appendMessage(8) { $0.appendField(1, "choice") }
      message.appendMessage(3) { nested in
        nested.appendField(1, "Collar")
        nested.appendMessage(2) { $0.appendField(1, "colour") }
        nested.appendMessage(6) { appendExtension("inner_tag", number: 102, to: &$0) }
      }
      message.appendMessage(4) { enumeration in
        enumeration.appendField(1, "Size")
        enumeration.appendMessage(2) { $0.appendField(1, "SMALL") }
      }
    }
    file.appendMessage(5) { enumeration in
      enumeration.appendField(1, "Mood")
      enumeration.appendMessage(2) { $0.appendField(1, "HAPPY") }
    }
    file.appendMessage(6) { service in
      service.appendField(1, "Kennel")
      service.appendMessage(2) { $0.appendField(1, "Feed") }
    }
    file.appendMessage(7) { appendExtension("tag", number: 101, to: &$0) }
  }

  private static func descriptor(
    _ name: String, package: String = "", imports: [String] = [],
    _ build: (inout ByteWriter) -> Void = { _ in }
  ) -> [UInt8] {
    protobuf { file in
      file.appendField(1, name)
      if !package.isEmpty { file.appendField(2, package) }
      for name in imports { file.appendField(3, name) }
      build(&file)
    }
  }

  private static func appendExtension(_ name: String, number: UInt64, to field: inout ByteWriter) {
    field.appendField(1, name)
    field.appendField(2, ".Base")
    field.appendField(3, varint: number)
  }

  private let link: ServiceLink

  init() throws {
    let service = ReflectionService(
      files: [
        ReflectionFile(
          name: "top.proto", descriptor: Self.top, dependencies: ["left.proto", "right.proto"]),
        ReflectionFile(name: "left.proto", descriptor: Self.left, dependencies: ["base.proto"]),
        ReflectionFile(
          name: "right.proto", descriptor: Self.right, dependencies: ["base.proto", "lost.proto"]),
        ReflectionFile(name: "base.proto", descriptor: Self.base, dependencies: []),
        ReflectionFile(name: "broken.proto", descriptor: [0x0a, 0xff], dependencies: []),
      ], services: ["zoo.v1.Kennel"])
    link = try ServiceLink(streaming: service.methods)
  }

  @Test func keepsItsOwnSymbolsBesideAFileOfTheUsersAtTheSamePath() throws {
    let path = "google/rpc/error_details.proto"
    let users = Self.descriptor(path, package: "google.rpc") { file in
      file.appendMessage(4) { $0.appendField(1, "Other") }
    }
    let service = ReflectionService(
      files: [ReflectionFile(name: path, descriptor: users, dependencies: [])], services: [])
    let link = try ServiceLink(streaming: service.methods)
    func file(declaring symbol: String) throws -> [UInt8]? {
      let answer = try link.messages(link.open(Self.paths[0], [Self.symbol(symbol)]))
      return try answer.first.map { try TestFields($0) }?.messages(4).first?.bytes[1]?.first
    }
    #expect(try file(declaring: "google.rpc.Other") == users)
    let own = try #require(try file(declaring: "google.rpc.ErrorInfo"))
    #expect(own.starts(with: [0x0a, 0x25] + Array("seandb/\(path)".utf8)))
  }

  private func ask(_ requests: [[UInt8]], path: String = paths[0]) throws -> [TestFields] {
    try link.messages(link.open(path, requests)).map { try TestFields($0) }
  }

  private static func file(_ name: String) -> [UInt8] { protobuf { $0.appendField(3, name) } }
  private static func symbol(_ name: String) -> [UInt8] { protobuf { $0.appendField(4, name) } }

  /// The names of the files in an answer.
  private func files(_ answer: TestFields) throws -> [String] {
    try answer.messages(4).flatMap { try $0.messages(1) }.flatMap { $0.strings(1) }
  }

  private func error(_ answer: TestFields) throws -> UInt64? {
    try answer.messages(7).first?.varints[1]?.last
  }

  @Test(arguments: paths)
  func listsItsServicesSorted(path: String) throws {
    let answer = try #require(try ask([protobuf { $0.appendField(7, "*") }], path: path).first)
    let names = try answer.messages(6).flatMap { try $0.messages(1) }.flatMap { $0.strings(1) }
    #expect(
      names == [
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection", "zoo.v1.Kennel",
      ])
  }

  @Test func repeatsHostAndRequest() throws {
    let request = protobuf { writer in
      writer.appendField(1, "localhost")
      writer.appendField(3, "base.proto")
      writer.appendField(99, "unknown")
    }
    let answer = try #require(try ask([request]).first)
    #expect(answer.strings(1) == ["localhost"])
    #expect(answer.bytes[2] == [request])
    #expect(try answer.messages(4).first?.bytes[1] == [Self.base])
  }

  @Test func sendsAFileWithItsImportsBehindIt() throws {
    let answer = try #require(try ask([Self.file("top.proto")]).first)
    #expect(try files(answer) == ["top.proto", "left.proto", "right.proto", "base.proto"])
  }

  @Test func sendsAnImportOncePerStreamAndTheFileAskedForAlways() throws {
    let answers = try ask([
      Self.file("left.proto"), Self.file("top.proto"), Self.file("top.proto"),
      Self.file("base.proto"),
    ])
    #expect(
      try answers.map { try files($0) } == [
        ["left.proto", "base.proto"], ["top.proto", "right.proto"], ["top.proto"], ["base.proto"],
      ])
    // Another stream has seen nothing.
    #expect(try files(#require(try ask([Self.file("left.proto")]).first)).count == 2)
  }

  @Test(arguments: [
    "zoo.v1.Dog", "zoo.v1.Dog.pk", "zoo.v1.Dog.choice", "zoo.v1.Dog.Collar",
    "zoo.v1.Dog.Collar.colour", "zoo.v1.Dog.Collar.inner_tag", "zoo.v1.Dog.Size",
    "zoo.v1.Dog.SMALL", "zoo.v1.Dog.Size.SMALL", "zoo.v1.Mood", "zoo.v1.HAPPY",
    "zoo.v1.Mood.HAPPY", "zoo.v1.Kennel", "zoo.v1.Kennel.Feed", "zoo.v1.tag", ".zoo.v1.Dog",
  ])
  func findsTheFileOfASymbol(name: String) throws {
    #expect(try files(#require(try ask([Self.symbol(name)]).first)).first == "top.proto")
  }

  @Test(arguments: [
    "grpc.health.v1.Health.Watch", "grpc.health.v1.HealthCheckResponse.ServingStatus",
    "grpc.health.v1.HealthListResponse.StatusesEntry",
    "grpc.reflection.v1.ServerReflectionRequest.message_request",
    "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo",
  ])
  func knowsItsOwnServices(name: String) throws {
    #expect(
      try files(#require(try ask([Self.symbol(name)]).first)).first?.hasPrefix("grpc/") == true)
  }

  @Test(arguments: ["Dog", "zoo.v1", "zoo.v1.Dog.", "zoo.v1.Cat", "", "..zoo.v1.Dog"])
  func answersAnUnknownSymbolWithinTheStream(name: String) throws {
    let answers = try ask([Self.symbol(name), Self.file("no.proto"), Self.file("base.proto")])
    #expect(answers.count == 3)
    #expect(try error(answers[0]) == 5)
    #expect(try error(answers[1]) == 5)
    #expect(try files(answers[2]) == ["base.proto"])
  }

  @Test func servesABrokenDescriptorByItsName() throws {
    let answer = try #require(try ask([Self.file("broken.proto")]).first)
    #expect(try answer.messages(4).first?.bytes[1] == [[0x0a, 0xff]])
  }

  @Test func findsExtensions() throws {
    func find(_ type: String, _ number: UInt64) -> [UInt8] {
      protobuf { request in
        request.appendMessage(5) { query in
          query.appendField(1, type)
          query.appendField(2, varint: number)
        }
      }
    }
    let answers = try ask([
      find("Base", 101), find(".Base", 102), find("Base", 103), find("zoo.v1.Dog", 101),
    ])
    #expect(try files(answers[0]).first == "top.proto")
    #expect(try files(answers[1]) == ["top.proto"])
    #expect(try error(answers[2]) == 5)
    #expect(try error(answers[3]) == 5)
  }

  @Test func listsExtensionNumbers() throws {
    let types = ["Base", "zoo.v1.Dog", "zoo.v1.Mood", "none"]
    let answers = try ask(types.map { type in protobuf { $0.appendField(6, type) } })
    #expect(try answers[0].messages(5).first?.varints[2] == [101, 102])
    #expect(try answers[0].messages(5).first?.strings(1) == ["Base"])
    #expect(try answers[1].messages(5).first?.varints[2] == nil)
    #expect(try answers[1].messages(5).count == 1)
    #expect(try error(answers[2]) == 5)
    #expect(try error(answers[3]) == 5)
  }

  @Test func endsWithOKAfterTheClientsHalfClose() throws {
    let stream = link.open(Self.paths[0], [Self.file("base.proto")])
    #expect(link.status(stream) == "0")
    let open = link.open(Self.paths[0], [Self.file("base.proto")], halfClose: false)
    #expect(try link.messages(open).count == 1, "answered without waiting for the half-close")
    #expect(link.status(open) == nil)
  }

  @Test func endsTheCallWhenNothingIsAsked() throws {
    let stream = link.open(Self.paths[0], [Self.file("base.proto"), [], Self.file("base.proto")])
    #expect(try link.messages(stream).count == 1)
    #expect(link.status(stream) == "3")
  }

  @Test(arguments: [[0x1a, 0x05, 0x61], [0x07], [0xff]] as [[UInt8]])
  func endsTheCallOnABrokenRequest(request: [UInt8]) {
    #expect(link.status(link.open(Self.paths[0], [request])) == "13")
  }
}
