import Bytes
import Synchronization
import TestSupport
import Testing
import Wire

/// A file of which callers may see a part: dogs, or cats, or both, or neither.
@Suite("Reflection's audience")
struct ReflectionAudienceTests {
  private static let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

  // MARK: - A file

  private static func type(_ number: Int, _ name: String, _ uses: String...) -> [UInt8] {
    message(number, name) { message in
      for (index, type) in uses.enumerated() {
        message.appendMessage(2) { field in
          field.appendField(1, "f\(index)")
          field.appendField(6, type)
        }
      }
    }
  }

  private static func message(
    _ number: Int, _ name: String, _ build: (inout ByteWriter) -> Void = { _ in }
  ) -> [UInt8] {
    protobuf { file in
      file.appendMessage(number) { message in
        message.appendField(1, name)
        build(&message)
      }
    }
  }

  private static func enumeration(_ number: Int, _ name: String, _ value: String) -> [UInt8] {
    message(number, name) { $0.appendMessage(2) { $0.appendField(1, value) } }
  }

  private static func service(_ name: String, _ methods: (String, String)...) -> [UInt8] {
    message(6, name) { service in
      for (method, type) in methods {
        service.appendMessage(2) { field in
          field.appendField(1, method)
          field.appendField(2, type)
          field.appendField(3, ".d.Empty")
        }
      }
    }
  }

  private static func comment(_ path: [UInt64], _ text: String) -> [UInt8] {
    protobuf { location in
      var numbers = ByteWriter()
      for number in path { numbers.appendVarint(number) }
      location.appendField(1, numbers.array())
      location.appendField(3, text)
      location.appendField(6, "detached from \(text)")
    }
  }

  private static let comments = protobuf { file in
    file.appendMessage(9) { info in
      for (path, text) in [
        ([12], "the file"), ([4, 0], "Cat"), ([4, 0, 3, 0], "Cat.Diary"), ([4, 1], "Dog"),
        ([4, 1, 2, 0], "Dog.f0"), ([6, 0], "Service"), ([6, 0, 2, 0], "GetCat"),
        ([6, 0, 2, 1], "GetDog"), ([3, 0], "an import"), ([5, 0], "Mood"), ([99, 0], "unknown"),
      ] as [([UInt64], String)] {
        info.appendField(1, comment(path, text))
      }
    }
  }

  private static let file: [UInt8] =
    protobuf { file in
      file.appendField(1, "d.proto")
      file.appendField(2, "d")
      for name in ["cats.proto", "dogs.proto", "nobody.proto"] { file.appendField(3, name) }
      for index in [0, 1] as [UInt64] { file.appendField(10, varint: index) }
    }
    // Cats are before dogs, so that all places change without them.
    + message(4, "Cat") { cat in
      cat.append(type(3, "Diary", ".d.Secret"))
      cat.append(enumeration(4, "Size", "SMALL"))
      for (name, type) in [("pk", ".cats.Toy"), ("mood", ".d.CatMood")] {
        cat.appendMessage(2) { field in
          field.appendField(1, name)
          field.appendField(6, type)
        }
      }
    }
    + type(4, "Dog", ".d.Cat.Size", ".d.Owner", ".base.Bone") + type(4, "Owner")
    + type(4, "Secret") + type(4, "Empty") + enumeration(5, "CatMood", "GRUMPY")
    + enumeration(5, "Mood", "HAPPY")
    + service("Db", ("GetCat", ".d.Cat"), ("GetDog", ".d.Dog"))
    + service("Walks", ("Walk", ".d.Owner")) + service("Vet", ("Read", ".d.Secret"))
    + extend("owner_tag", ".base.Bone", 100, ".d.Owner")
    + extend("cat_tag", ".base.Bone", 101, ".d.Secret") + comments

  private static func extend(
    _ name: String, _ type: String, _ number: UInt64, _ value: String
  ) -> [UInt8] {
    message(7, name) { field in
      field.appendField(2, type)
      field.appendField(3, varint: number)
      field.appendField(6, value)
    }
  }

  private static func other(_ name: String, _ types: [UInt8], publicly: String? = nil)
    -> ReflectionFile
  {
    let head = protobuf { file in
      file.appendField(1, "\(name).proto")
      file.appendField(2, name)
      if let publicly {
        file.appendField(3, "\(publicly).proto")
        file.appendField(10, [0])
      }
    }
    return ReflectionFile(
      name: "\(name).proto", descriptor: head + types,
      dependencies: publicly.map { ["\($0).proto"] } ?? [])
  }

  // MARK: - Asking

  private final class Audience: ReflectionAudience {
    let shown = Mutex([true, true])
    var methodGroups: [[String]] { [["d.Db.GetDog"], ["d.Db.GetCat"]] }
    func viewer(_ context: CallContext) -> @Sendable () -> [Bool] {
      { self.shown.withLock { $0 } }
    }
  }

  private let audience = Audience()
  private let link: ServiceLink

  init() throws {
    let service = ReflectionService(
      files: [
        ReflectionFile(
          name: "d.proto", descriptor: Self.file,
          dependencies: ["cats.proto", "dogs.proto", "nobody.proto"]),
        Self.other("cats", Self.type(4, "Toy")), Self.other("nobody", Self.type(4, "Nobody")),
        Self.other("dogs", Self.type(4, "Bowl"), publicly: "base"),
        Self.other("base", Self.type(4, "Bone")),
      ], services: ["d.Db"], audience: audience)
    link = try ServiceLink(streaming: service.methods)
  }

  private func ask(_ requests: [[UInt8]]) throws -> [TestFields] {
    try link.messages(link.open(Self.path, requests)).map { try TestFields($0) }
  }

  private func show(dogs: Bool, cats: Bool) { audience.shown.withLock { $0 = [dogs, cats] } }

  /// Whether each symbol is found.
  private func finds(_ symbols: [String]) throws -> [String] {
    let answers = try ask(symbols.map { symbol in protobuf { $0.appendField(4, symbol) } })
    return try zip(symbols, answers).filter { try !$1.messages(4).isEmpty }.map(\.0)
  }

  private func answeredFiles(_ name: String) throws -> [TestFields] {
    let answer = try #require(try ask([protobuf { $0.appendField(3, name) }]).first)
    return try answer.messages(4).flatMap { try $0.messages(1) }
  }

  private static let dogSymbols = ["d.Dog", "d.Dog.f1", "d.Db.GetDog", "dogs.Bowl", "base.Bone"]
  private static let catSymbols = [
    "d.Cat.pk", "d.Cat.Diary", "d.Cat.Diary.f0", "d.Secret", "d.CatMood", "d.GRUMPY",
    "d.CatMood.GRUMPY", "d.Db.GetCat", "d.Vet", "d.Vet.Read", "d.cat_tag", "cats.Toy",
  ]
  private static let sharedSymbols = [
    "d.Db", "d.Empty", "d.Mood", "d.HAPPY", "d.Cat", "d.Cat.Size", "d.Cat.SMALL",
    "d.Cat.Size.SMALL", "nobody.Nobody", "grpc.health.v1.Health",
  ]

  // MARK: - What is shown

  @Test func showsEverythingToWhoMaySeeEverything() throws {
    let symbols = Self.dogSymbols + Self.catSymbols + Self.sharedSymbols
    #expect(try finds(symbols) == symbols)
    let answer = try #require(try ask([protobuf { $0.appendField(3, "d.proto") }]).first)
    #expect(try answer.messages(4).first?.bytes[1]?.first == Self.file)
  }

  @Test func showsNothingOfAModelThatIsNotThereForTheCaller() throws {
    show(dogs: true, cats: false)
    let shown =
      Self.dogSymbols + Self.sharedSymbols + ["d.Owner", "d.Walks", "d.Walks.Walk", "d.owner_tag"]
    #expect(try finds(shown + Self.catSymbols) == shown)
    show(dogs: false, cats: true)
    #expect(try finds(Self.catSymbols + Self.dogSymbols.prefix(3)) == Self.catSymbols)
  }

  @Test func cutsTheFileSoThatNothingOfItUsesWhatIsGone() throws {
    show(dogs: true, cats: false)
    let files = try answeredFiles("d.proto")
    #expect(
      files.map { $0.strings(1) } == [
        ["d.proto"], ["dogs.proto"], ["nobody.proto"], ["base.proto"],
      ])
    let file = files[0]
    #expect(file.strings(3) == ["dogs.proto", "nobody.proto"])
    #expect(file.varints[10] == [0], "what was the second import is the first")
    #expect(
      try file.messages(4).flatMap { $0.strings(1) } == ["Cat", "Dog", "Owner", "Empty"])
    let cat = try #require(try file.messages(4).first)
    #expect(try cat.messages(4).flatMap { $0.strings(1) } == ["Size"])
    #expect(cat.bytes[2] == nil && cat.bytes[3] == nil, "neither fields nor other types")
    #expect(try file.messages(5).flatMap { $0.strings(1) } == ["Mood"])
    let services = try file.messages(6)
    #expect(services.flatMap { $0.strings(1) } == ["Db", "Walks"])
    #expect(try services[0].messages(2).flatMap { $0.strings(1) } == ["GetDog"])
    #expect(try file.messages(7).flatMap { $0.strings(1) } == ["owner_tag"])
  }

  @Test func keepsEachCommentWithWhatItIsOn() throws {
    show(dogs: true, cats: false)
    let file = try #require(try answeredFiles("d.proto").first)
    let locations = try file.messages(9).flatMap { try $0.messages(1) }
    #expect(
      locations.map { $0.strings(3) + ["\($0.bytes[1] ?? [])"] } == [
        ["the file", "[[12]]"], ["Dog", "[[4, 1]]"], ["Dog.f0", "[[4, 1, 2, 0]]"],
        ["Service", "[[6, 0]]"], ["GetDog", "[[6, 0, 2, 0]]"], ["unknown", "[[99, 0]]"],
      ])
    #expect(locations.allSatisfy { $0.bytes[6] == nil })
  }

  @Test func hidesFilesThatOnlyAHiddenModelNeeds() throws {
    show(dogs: true, cats: false)
    #expect(try answeredFiles("cats.proto").isEmpty)
    show(dogs: false, cats: true)
    // An extension that is there extends what is in it.
    #expect(try !answeredFiles("dogs.proto").isEmpty)
    show(dogs: false, cats: false)
    #expect(try answeredFiles("dogs.proto").isEmpty && answeredFiles("cats.proto").isEmpty)
  }

  @Test func findsTheExtensionsThatAreLeft() throws {
    show(dogs: true, cats: false)
    func find(_ number: UInt64) -> [UInt8] {
      protobuf { request in
        request.appendMessage(5) { query in
          query.appendField(1, "base.Bone")
          query.appendField(2, varint: number)
        }
      }
    }
    let answers = try ask([find(100), find(101), protobuf { $0.appendField(6, "base.Bone") }])
    #expect(try answers[0].messages(4).count == 1)
    #expect(try answers[1].messages(7).first?.varints[1] == [5])
    #expect(try answers[2].messages(5).first?.varints[2] == [100])
  }

  @Test func listsNoServiceOfWhichNothingIsShown() throws {
    show(dogs: false, cats: false)
    let answer = try #require(try ask([protobuf { $0.appendField(7, "*") }]).first)
    let names = try answer.messages(6).flatMap { try $0.messages(1) }.flatMap { $0.strings(1) }
    #expect(names.count == 3 && names.allSatisfy { $0.hasPrefix("grpc.") })
    #expect(try finds(["d.Db", "d.Empty", "d.Cat", "d.Dog", "d.Mood"]) == ["d.Mood"])
  }

  @Test func takesAChangeForTheNextRequestOfAStream() throws {
    let request = protobuf { $0.appendField(3, "d.proto") }
    let stream = link.open(Self.path, [request], halfClose: false)
    show(dogs: true, cats: false)
    link.client.send(HTTP2TestClient.framed(request), on: stream, endsStream: true)
    link.exchange()
    let answers = try link.messages(stream).map { try TestFields($0) }
    let counts = try answers.map { answer in
      try answer.messages(4).flatMap { try $0.messages(1) }.map { try $0.messages(4).count }
    }
    // The imports come once more: they may be others.
    #expect(counts == [[5, 1, 1, 1, 1], [4, 1, 1, 1]])
  }

  @Test func hidesAMalformedFileFromWhoMayNotSeeAllOfIt() throws {
    let broken = Self.file + [0x0a, 0xff]
    let service = ReflectionService(
      files: [ReflectionFile(name: "d.proto", descriptor: broken, dependencies: [])],
      services: ["d.Db"], audience: audience)
    let link = try ServiceLink(streaming: service.methods)
    show(dogs: true, cats: false)
    for request in [
      protobuf { $0.appendField(3, "d.proto") }, protobuf { $0.appendField(4, "d.Dog") },
    ] {
      let answer = try #require(try link.messages(link.open(Self.path, [request])).first)
      #expect(try TestFields(answer).messages(7).first?.varints[1] == [5])
    }
  }
}
