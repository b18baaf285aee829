import Access
import Platform
import Server
import TestSupport
import Testing
import Wire

@Suite("Access") struct AccessTests {
  private static func role(_ name: String, _ rules: String...) -> String {
    "[[role]]\nname = \"\(name)\"\nallow = [\(rules.map { "\"\($0)\"" }.joined(separator: ", "))]\n"
  }

  private static let key = WireBytes.field(1, "a")
  private static let query = WireBytes.field(1, "a")
  /// Each method, what it needs, and a message.
  private static let methods: [(method: String, action: AccessAction, message: [UInt8])] = [
    ("Get#", .read, key), ("Get#sByPk", .read, query), ("Stream#sByPk", .read, query),
    ("Put#", .write, WireBytes.field(1, "a")),
    ("BatchPut#s", .write, WireBytes.field(1, WireBytes.field(1, "a"))),
    ("Delete#sByPk", .delete, query),
  ]

  private static let rules: [String] = [
    "Dog: read", "Dog: write", "Dog: delete", "Dog: watch", "*: read", "Tag: read, write, delete",
    "*: read, write, delete, watch", "admin",
  ]

  private static func allows(_ rule: String, _ model: String, _ action: AccessAction) -> Bool {
    if rule == "admin" { return true }
    return (rule.hasPrefix(model) || rule.hasPrefix("*")) && rule.contains(action.name)
  }

  @Test func asksEveryCallForItsRight() async throws {
    let tokens = Self.rules.map { _ in AccessToken.make() }
    let file = zip(Self.rules, tokens).enumerated().map { index, pair in
      Self.role("r\(index)", pair.0)
        + pair.1.table(id: "t\(index)", roles: ["r\(index)"], expires: nil) + "\n"
    }.joined()
    let fixture = try await AccessFixture(file)
    let wrong = await onThread { [port = fixture.port] () -> [String] in
      var wrong: [String] = []
      guard let client = SocketClient(port: port) else { return ["no connection"] }
      for model in ["Dog", "Tag"] {
        // A record that all may look for.
        _ = AccessFixture.call(
          client, "Put\(model)", Self.key, AccessFixture.bearer(tokens[Self.rules.count - 1]))
        for (method, action, message) in Self.methods {
          let method = method.replacing("#", with: model)
          for (rule, token) in zip(Self.rules, tokens) {
            let result = AccessFixture.call(client, method, message, AccessFixture.bearer(token))
            let expected = Self.allows(rule, model, action) ? ("0", "") : ("7", "NOT_ALLOWED")
            // What one has deleted others do not find.
            let isAbsent = result.code == "5" && expected.0 == "0" && method == "Get\(model)"
            if result != expected && !isAbsent { wrong.append("\(rule) \(method): \(result)") }
          }
        }
      }
      return wrong
    }
    #expect(wrong == [])
    await fixture.server.shutDown()
    let audit = try fixture.audit()
    #expect(audit.contains("\"reason\": \"NOT_ALLOWED\", \"who\": \"t0\", \"from\": \"127.0.0.1:"))
    #expect(audit.contains("\"action\": \"write\", \"model\": \"database.Dog\""))
    for token in tokens { #expect(!audit.contains(token.text.dropFirst(8))) }
  }

  private static let health = "/grpc.health.v1.Health/Check"
  private static let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

  @Test func tellsStrangersApart() async throws {
    let (good, late, other) = (AccessToken.make(), AccessToken.make(), AccessToken.make())
    let now = Timestamp.coarse().seconds
    let file =
      Self.role("vet", "Dog: read, write")
      + good.table(id: "good", roles: ["vet"], expires: Timestamp(seconds: now + 3600)) + "\n"
      + late.table(id: "late", roles: ["vet"], expires: Timestamp(seconds: now - 1)) + "\n"
    let fixture = try await AccessFixture(file)
    let none: [(String, String)] = []
    let bearer = "Bearer " + good.text
    let cases: [(headers: [(String, String)], reason: String)] = [
      ([("authorization", bearer)], ""), ([("authorization", "bEARER " + good.text)], ""),
      (none, "NO_CREDENTIALS"), ([("cookie", bearer)], "NO_CREDENTIALS"),
      (AccessFixture.bearer(late), "BAD_CREDENTIALS"),
      (AccessFixture.bearer(other), "BAD_CREDENTIALS"),
      ([("authorization", good.text)], "BAD_CREDENTIALS"),
      ([("authorization", "Basic " + good.text)], "BAD_CREDENTIALS"),
      ([("authorization", bearer + "x")], "BAD_CREDENTIALS"),
      ([("authorization", String(bearer.dropLast()))], "BAD_CREDENTIALS"),
      ([("authorization", "Bearer")], "BAD_CREDENTIALS"),
      ([("authorization", "")], "BAD_CREDENTIALS"),
      ([("authorization", "Bearer " + String(repeating: "a", count: 9000))], "BAD_CREDENTIALS"),
      ([("authorization", bearer), ("authorization", bearer)], "BAD_CREDENTIALS"),
      ([("authorization", bearer)], ""),
    ]
    let results = await onThread { [port = fixture.port] () -> [[String]] in
      guard let client = SocketClient(port: port) else { return [] }
      return cases.map { headers, reason in
        let put = AccessFixture.call(client, "PutDog", Self.key, headers)
        let open = AccessFixture.call(client, Self.health, [], headers)
        let reflected = AccessFixture.call(client, Self.reflection, [0x3a, 0], headers)
        return [put.code, put.reason, open.code, reflected.code, reflected.reason]
      }
    }
    #expect(results.count == cases.count)
    for (result, (headers, reason)) in zip(results, cases) {
      let code = reason.isEmpty ? "0" : "16"
      #expect(result == [code, reason, "0", code, reason], "\(headers.map(\.1.count))")
    }
    await fixture.server.shutDown()
  }

  // MARK: - Reload

  @Test func takesAChangedFileForTheNextCallAndLosesNone() async throws {
    let (first, second) = (AccessToken.make(), AccessToken.make())
    let role = Self.role("vet", "*: read, write")
    let always = first.table(id: "first", roles: ["vet"], expires: nil) + "\n"
    let more = second.table(id: "second", roles: ["vet"], expires: nil) + "\n"
    let fixture = try await AccessFixture(role + always, milliseconds: 10)
    let over = CallCancellation()
    let port = fixture.port
    let clients = (0..<2).map { _ in
      AccessFixture.thread { () -> [String: Int] in
        guard let client = SocketClient(port: port) else { return [:] }
        var (codes, made): ([String: Int], Int) = ([:], 0)
        // Whatever share of the processor it has.
        while !over.isCancelled || made < 100 {
          let call = AccessFixture.call(client, "PutDog", Self.key, AccessFixture.bearer(first))
          codes[call.code, default: 0] += 1
          made += 1
        }
        return codes
      }
    }
    var (taken, refusals) = (0, 0)
    for round in 0..<6 {
      let knows = round % 2 == 0
      try fixture.replaceFile(role + always + (knows ? more : ""))
      if await Self.eventually(port, second, knows ? "0" : "16") { taken += 1 }
      // What is no policy changes nothing.
      try fixture.replaceFile("[[role]\n" + role)
      fixture.server.reload()
      if await Self.eventually(port, second, knows ? "0" : "16") { refusals += 1 }
    }
    over.cancel()
    var results: [String: Int] = [:]
    for client in clients { results.merge(await client.value, uniquingKeysWith: +) }
    #expect(taken == 6 && refusals == 6)
    #expect(results.keys.sorted() == ["0"])
    await fixture.server.shutDown()
    let audit = try fixture.audit()
    #expect(audit.contains("\"event\": \"reload\", \"identities\": 2"))
    #expect(audit.contains("\"event\": \"reload-failed\""))
  }

  /// Whether a token's call ends with a code, within a minute.
  private static func eventually(_ port: Int, _ token: AccessToken, _ code: String) async -> Bool {
    await onThread {
      guard let client = SocketClient(port: port) else { return false }
      let clock = ContinuousClock()
      let start = clock.now
      while clock.now - start < .seconds(60) {
        if AccessFixture.call(client, "GetDogsByPk", query, AccessFixture.bearer(token)).code
          == code
        {
          return true
        }
      }
      return false
    }
  }

  @Test(arguments: ["gone", "without its right", "expired"])
  func endsTheStreamsOfWhoMayNoMore(_ how: String) async throws {
    let token = AccessToken.make()
    let other = AccessToken.make().table(id: "other", roles: ["vet"], expires: nil)
    let soon = Timestamp(seconds: Timestamp.coarse().seconds + 2)
    let file =
      Self.role("vet", "Dog: read, write") + Self.role("guest", "Tag: read")
      + token.table(id: "a", roles: ["vet"], expires: how == "expired" ? soon : nil) + "\n"
    let fixture = try await AccessFixture(file)
    let changed =
      switch how {
      case "gone": Self.role("vet", "Dog: read") + other
      case "expired": file
      default:
        Self.role("guest", "Tag: read") + token.table(id: "a", roles: ["guest"], expires: nil)
      }
    // All on one thread: a call that waits for its request has 30 s, and a task may wait longer for its turn.
    let (code, reason) = await onThread {
      [port = fixture.port, folder = fixture.folder, server = fixture.server]
      () -> (String?, String) in
      guard let client = SocketClient(port: port) else { return (nil, "") }
      let stream = client.http2.request(
        Self.reflection, body: HTTP2TestClient.framed([0x3a, 0]), endsStream: false,
        headers: AccessFixture.bearer(token))
      let reading = client.http2.request(
        AccessFixture.service + "PutDog", body: [0], endsStream: false,
        headers: AccessFixture.bearer(token))
      _ = client.run(until: { ($0.responses[stream]?.body.count ?? 0) > 0 })
      if how != "expired" {
        guard (try? folder.write("access.toml", changed)) != nil else { return (nil, "no file") }
        server.reload()
      }
      let judged = how == "without its right" ? reading : stream
      _ = client.run(until: { $0.responses[judged]?.isClosed == true })
      let headers = client.http2.responses[judged]?.headers ?? [:]
      return (headers["grpc-status"], AccessFixture.reason(headers))
    }
    #expect(code == (how == "without its right" ? "7" : "16"))
    #expect(reason == (how == "without its right" ? "NOT_ALLOWED" : "BAD_CREDENTIALS"))
    await fixture.server.shutDown()
  }

  // MARK: - Strangers by the thousand

  @Test func boundsWhatStrangersWriteIntoTheAuditLog() async throws {
    let token = AccessToken.make()
    let file = Self.role("vet", "Dog: write") + token.table(id: "a", roles: ["vet"], expires: nil)
    let fixture = try await AccessFixture(file)
    let (refused, good) = await onThread { [port = fixture.port] () -> (Int, Bool) in
      guard let stranger = SocketClient(port: port), let client = SocketClient(port: port) else {
        return (0, false)
      }
      var (refused, good) = (0, true)
      for _ in 0..<20 {
        let streams = (0..<100).map { _ in
          stranger.http2.request(
            AccessFixture.service + "PutDog", body: HTTP2TestClient.framed(Self.key),
            headers: AccessFixture.bearer(.make()))
        }
        _ = stranger.run(until: { http2 in
          streams.allSatisfy { http2.responses[$0]?.isClosed == true }
        })
        refused += streams.count { stranger.http2.responses[$0]?.headers["grpc-status"] == "16" }
        good =
          good
          && AccessFixture.call(client, "PutDog", Self.key, AccessFixture.bearer(token)).code == "0"
      }
      return (refused, good)
    }
    #expect(refused == 2000 && good)
    await fixture.server.shutDown()
    let lines = try fixture.audit().split(separator: "\n")
    let written = lines.count { $0.contains("BAD_CREDENTIALS") }
    let leftOut = lines.filter { $0.contains("left-out") }.compactMap {
      Int($0.split(separator: " ").last?.dropLast() ?? "")
    }.reduce(0, +)
    #expect(written < 2000 && written + leftOut == 2000)
  }
}
