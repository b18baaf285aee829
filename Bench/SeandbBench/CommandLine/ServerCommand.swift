import ArgumentParser
import Platform

/// `seandb-bench server`.
struct ServerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "server",
    abstract: "Puts load on seandb and on what people would use instead, over real connections.",
    discussion: """
      Starts each server, fills it, asks it, checks every answer and ends it; the servers take turns in each \
      round. Closed loop: each call in flight is followed by the next one when its answer is there. Open loop \
      (--rates): calls are due at fixed times and their latency runs from then, so that a server which stalls \
      hides nothing. get, unique-get, index-get, put and put-changed run at every load and rate, the others at the \
      heaviest load (batch-put, in, count and stream with a sixteenth of its calls in flight).

      get: one record. range-get: a short range of keys. page: the last records up to a key, backwards. in: the \
      records of a list of random keys. count: how many records a range has. stream: a long range in many messages. \
      put: one record. batch-put: several, all or none. mixed: of 20 calls 15 gets, 3 puts, a range-get and a \
      delete. delete: one record.

      For seandb with indexes (targets with indexed or covered in their names; never by default): unique-get: one \
      record by another field than its key. index-get: the --range-records records of one breed. put-changed: a put \
      that changes age and breed. insert: a put of a new record. When one of these workloads or targets is named, all \
      records of the run have the fields that indexes are on, and are as long as without.

      A server whose program is missing is left out, with a note, and each has the workloads that it can do.
      """)

  @Option(help: "Servers, by commas; the first one is what the others are compared with.")
  var targets = CommaList<ServerTarget>(ServerTarget.allCases.filter(\.isUsual))

  @Option(help: "Workloads, by commas. They run in the default's order.")
  var workloads = CommaList<ServerWorkload>(ServerWorkload.allCases.filter { !$0.isOfIndexes })

  @Option(help: "Connections x calls in flight on each, by commas, the heaviest last.")
  var loads = ConnectionLoads(
    loads: [(1, 1), (8, 16), (16, 64)].map { ConnectionLoad(connections: $0, inFlight: $1) })

  @Option(help: "Calls a second of the open loop, by commas; 0 for none.")
  var rates = Rates(rates: [5_000, 20_000, 80_000])

  @Option(help: "What a write survives, by commas: buffered, sync. Reads run with the first one.")
  var durability = CommaList<ServerDurability>()

  @Option(help: "Records of a store.")
  var records = 100_000

  @Option(help: "Bytes of a record.")
  var recordBytes = 100

  @Option(help: "Which keys are asked for: \(KeyDistribution.allCases.map(\.rawValue)).")
  var keys = KeyDistribution.uniform

  @OptionGroup var callSizes: CallSizeOptions

  @Option(help: "Seconds that calls count; a quarter of it goes before.")
  var seconds = 0.8

  @Option(
    help: """
      The same, for put, put-changed, insert and mixed at the heaviest load, where stalls are to show.
      """)
  var writeSeconds = 2.0

  @Option(help: "Seconds that the fill of a server may take.")
  var fillSeconds = 600.0

  @Option(help: "Seconds that a server may go on compacting after its fill, at most.")
  var settleSeconds = 0.0

  @Option(help: "Random gets after the fill that do not count, so that the cache is full.")
  var warmGets = 0

  @Flag(help: "The external server has the records already.")
  var filled = false

  @Option(help: "Ends a closed loop after so many calls instead.")
  var calls: Int?

  @Option(help: "Rounds; the servers take turns in each.")
  var rounds = 3

  @Option(help: "Threads of the load generator.")
  var threads = 1

  @Flag(help: "Connect by TLS; servers without it are left out.")
  var tls = false

  @OptionGroup var memory: MemoryOptions
  @OptionGroup var programs: ProgramOptions

  @Option(help: "Where a server runs that --targets calls external: HOST:PORT.")
  var address = AddressArgument(SocketAddress(host: "127.0.0.1", port: 50051))

  @Option(help: "What calls of that server are sent with: \"Bearer TOKEN\".")
  var authorization: String?

  @OptionGroup var options: RunOptions

  func validate() throws {
    let sizes = RecordSource.byteCountRange
    guard sizes.contains(recordBytes) else {
      throw ValidationError(
        "--record-bytes must be from \(sizes.lowerBound) to \(sizes.upperBound)")
    }
    try callSizes.check(records: records)
    if recordsHaveGroups { try checkGroups() }
    guard seconds >= 0.01, writeSeconds >= 0.01, seconds <= 86_400, writeSeconds <= 86_400 else {
      throw ValidationError("--seconds and --write-seconds must be from 0.01 to 86400")
    }
    guard (1...86_400).contains(fillSeconds), (0...86_400).contains(settleSeconds) else {
      throw ValidationError(
        "--fill-seconds must be from 1 to 86400, and --settle-seconds from 0 to 86400")
    }
    guard (0...1 << 40).contains(warmGets) else {
      throw ValidationError("--warm-gets must not be negative")
    }
    guard !filled || targets.elements == [.external] else {
      throw ValidationError("--filled goes with --targets external alone")
    }
    try RunOptions.check(rounds: rounds)
    if let calls, calls < 1 { throw ValidationError("--calls must be positive") }
    guard (1...256).contains(threads) else {
      throw ValidationError("--threads must be from 1 to 256")
    }
  }

  private var recordsHaveGroups: Bool {
    targets.elements.contains(where: \.hasIndexes)
      || workloads.elements.contains(where: \.isOfIndexes)
  }

  private func checkGroups() throws {
    guard recordBytes >= RecordSource.leastGroupedByteCount else {
      throw ValidationError(
        "--record-bytes must be \(RecordSource.leastGroupedByteCount) at least for records with indexes"
      )
    }
    guard records % callSizes.rangeRecords == 0,
      RecordGroups.countRange.contains(records / callSizes.rangeRecords)
    else {
      throw ValidationError(
        "--records must be a multiple of --range-records, at most "
          + "\(RecordGroups.countRange.upperBound) times, for records with indexes")
    }
  }

  func run() throws {
    let file = try options.makeOutputFile()
    let scratch = try options.makeScratchDirectory()
    defer { scratch.remove() }
    let groups =
      recordsHaveGroups ? RecordGroups(records: records, size: callSizes.rangeRecords) : nil
    let source = RecordSource(byteCount: recordBytes, seed: options.seed, groups: groups)
    let peers = programs.peers
    let run = try ServerRun(
      plan: plan, rounds: rounds, targets: targets.elements, records: source,
      origin: Origin(
        directory: scratch.path, packages: Self.packages,
        programs: [
          "etcd": peers + "/etcd", "redis": peers + "/redis-server",
          "nghttpd": peers + "/nghttpd",
        ]), scratch: scratch, file: file,
      launcher: { certificate in
        ServerLauncher(
          seandb: programs.seandb, peers: peers, scratch: scratch,
          cacheSizeBytes: memory.cacheSize.bytes, memtableSizeBytes: memory.memtableSize.bytes,
          answerByteCount: SeandbDialect.answerByteCount(source),
          certificate: certificate, recordsHaveGroups: groups != nil,
          externalAddress: address.address,
          externalAuthorization: authorization)
      }, usesTLS: tls)
    try run.run()
  }

  private static let packages: KeyValuePairs<String, String> = [
    "rocksdb": "librocksdb-dev", "nghttp2": "libnghttp2-dev", "gRPC C++": "libgrpc++-dev",
    "openssl": "libssl-dev", "glibc": "libc6",
  ]

  private var plan: ServerPlan {
    ServerPlan(
      workloads: workloads.elements, loads: loads.loads, rates: rates.rates,
      durabilities: durability.elements, threads: threads, seconds: seconds,
      writeSeconds: writeSeconds, calls: calls, records: records,
      cacheSizeBytes: memory.cacheSize.bytes, fillSeconds: fillSeconds,
      settleSeconds: settleSeconds, warmGets: warmGets, isFilled: filled, keys: keys,
      sizes: callSizes.sizes, seed: options.seed)
  }
}

extension KeyDistribution: ExpressibleByArgument {}

/// `1x1,8x16`.
struct ConnectionLoads: ExpressibleByArgument, Sendable {
  let loads: [ConnectionLoad]

  init(loads: [ConnectionLoad]) { self.loads = loads }

  init?(argument: String) {
    var loads: [ConnectionLoad] = []
    for text in argument.split(separator: ",") {
      let numbers = text.split(separator: "x").compactMap { Int($0) }
      guard numbers.count == 2, (1...10_000).contains(numbers[0]), (1...10_000).contains(numbers[1])
      else { return nil }
      loads.append(ConnectionLoad(connections: numbers[0], inFlight: numbers[1]))
    }
    guard !loads.isEmpty else { return nil }
    self.loads = loads
  }

  var defaultValueDescription: String {
    loads.map { "\($0.connections)x\($0.inFlight)" }.joined(separator: ",")
  }
}

/// `1000,10000`.
struct Rates: ExpressibleByArgument, Sendable {
  let rates: [Int]

  init(rates: [Int]) { self.rates = rates }

  init?(argument: String) {
    var rates: [Int] = []
    for text in argument.split(separator: ",") {
      guard let rate = Int(text), (0...100_000_000).contains(rate) else { return nil }
      if rate > 0 { rates.append(rate) }
    }
    self.rates = rates
  }

  var defaultValueDescription: String { rates.map(String.init).joined(separator: ",") }
}

/// `127.0.0.1:50051`.
struct AddressArgument: ExpressibleByArgument, Sendable {
  let address: SocketAddress

  init(_ address: SocketAddress) { self.address = address }

  init?(argument: String) {
    let parts = argument.split(separator: ":")
    guard parts.count == 2, let port = Int(parts[1]), (1...65_535).contains(port) else {
      return nil
    }
    address = SocketAddress(
      host: parts[0] == "localhost" ? "127.0.0.1" : String(parts[0]), port: port)
  }

  var defaultValueDescription: String { address.description }
}
