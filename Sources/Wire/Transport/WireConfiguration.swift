/// The limits of a gRPC server. Sizes in bytes.
package struct WireConfiguration: Sendable {
  /// Event loops, at least 1; each serves its connections alone.
  package var loopCount: Int
  /// The largest request message. Default 4 MiB, gRPC's usual; larger needs more memory per call.
  package var maximumRequestBytes = 4 << 20
  /// Calls a client may have under way on one connection (SETTINGS_MAX_CONCURRENT_STREAMS).
  package var maximumConcurrentStreams = 1024
  /// Calls that all connections may have under way. Default 8192.
  package var maximumCalls = 8192
  /// Request headers, counted as name + value + 32 (RFC 9113 §6.5.2). Default 16 KiB.
  package var maximumHeaderListBytes = 16 << 10
  /// What a client may send of one long message before the server has taken it in. Default 256 KiB; of each call the
  /// protocol's first 65,535 bytes.
  package var streamWindowBytes = 256 << 10
  /// The same for all requests of a connection. Default 4 MiB.
  package var connectionWindowBytes = 4 << 20
  /// Request messages being assembled on one connection, beyond which it gets no credit for more than one long message
  /// at a time. Default 64 MiB; at least one of the largest must fit.
  package var maximumAssembledBytes = 64 << 20
  /// The same over all connections. Default 256 MiB; at least one of the largest must fit.
  package var maximumRequestMemoryBytes = 256 << 20
  /// Answers that were made and not yet taken by their clients, over all connections, beyond which no new
  /// long read is begun. Default 1 GiB.
  package var maximumAnswerMemoryBytes = 1 << 30
  /// Connections at a time; further ones are closed at once. Default 10,000.
  package var maximumConnections = 10_000
  /// How long a client may take for the handshake of TLS, in nanoseconds. Default 10 s.
  package var handshakeTime: UInt64 = 10_000_000_000
  /// How long connections are kept.
  package var lifetime = LifetimeLimits()
  /// How long a client may take nothing of its answers after a drain began, in nanoseconds: then its connection is
  /// closed. Default 5 s.
  package var drainStallGrace: UInt64 = 5_000_000_000

  /// Whether answers of more than 1 KiB are compressed for clients that take gzip. Default no: it costs the loop time.
  package var compressesAnswers = false
  /// Whether handlers choose instead which of their answers are compressed, see ``CallContext/compressAnswers(_:)``.
  package var letsHandlersCompress = false
  /// Whether it matters what clients take.
  var mayCompressAnswers: Bool { compressesAnswers || letsHandlersCompress }
  /// How long an event loop compresses or decompresses before it does something else, in nanoseconds. Default 4 ms.
  /// 0: a piece of a message at a time, and no answer is compressed.
  package var compressionTurn: UInt64 = 4_000_000

  package init(loopCount: Int) { self.loopCount = max(1, loopCount) }
}
