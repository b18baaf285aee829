import Wire

/// A list of steps: frames that are nearly right, reads of the socket, time, and what other threads do meanwhile.
///
///     options: 8 | { step: 4, whether the bytes so far are read by then: 1, …: 3 } …
enum ConnectionFramesTarget: FuzzTarget {
  static let name = "connection-frames"
  static let maximumBytes = 1024

  static func seeds() throws -> [[UInt8]] {
    let opens = (0..<5 as Range<UInt8>).map { method -> [UInt8] in [0x11, method, 0, 0] }
    let message: [UInt8] = [0x12, 0, 1, 4, 3, 2, 2, 1]
    return opens.map { [0] + $0 + message + [0x15, 0x1A] } + [
      // Streams of pages, one of them answered by another thread.
      [0, 0x11, 3, 0, 0, 0x12, 0, 1, 4, 3, 9, 0x55, 200, 0x15, 0x16, 0, 2, 1, 9, 0x15],
      // A chat in gzip, whose client goes on and ends it.
      [6, 0x11, 4, 0, 0x18, 0x12, 0, 0, 0, 0x15, 0x12, 0, 1, 1, 0x15, 0x17, 40],
      // Metadata, a timeout, credentials; then other rules, and a drain.
      [2, 0x11, 0, 1, 0xF0, 1, 0x31, 0x53, 0x32, 2, 0x41, 0x42, 0x18, 0x19, 0x15, 0x17, 90],
      // Windows, settings, PINGs, a reset.
      [0, 0x11, 4, 0, 0, 0x13, 2, 4, 0, 9, 0x13, 1, 0, 0, 1, 0x13, 4, 0, 0, 0, 0x13, 0, 0, 0, 8],
      // A header block in two frames, with padding, and trailers.
      [0, 0x11, 0, 0x28, 0, 9, 0x11, 0, 0x20, 0, 0x14, 1, 7, 0, 0x15],
    ]
  }

  static func run(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let options = input.byte()
    let server = FuzzedServer(compresses: options & 2 != 0, hasShortTurns: options & 4 != 0)
    var script = FrameScript()
    server.receive(ConnectionTarget.preface + [0, 0, 0, 4, 0, 0, 0, 0, 0])
    server.send()
    while !input.isEmpty, !server.isFinished {
      let step = input.byte()
      switch step & 15 {
      case 0: script.anyFrame(&input)
      case 1: script.call(&input)
      case 2: script.message(&input)
      case 3: script.control(&input)
      case 4: script.trailers(&input)
      case 5: server.send()
      case 6: server.complete(input.byte(), input.byte(), input.bytes(Int(input.byte())))
      case 7:
        server.wait(
          milliseconds: UInt64(input.byte()) << UInt64(step >> 5), isReading: step & 0x20 == 0,
          isWriting: step & 0x40 == 0)
      case 8: server.changeRules()
      case 9: server.drain()
      default: script.message(&input)
      }
      if step & 0x10 != 0 {
        server.receive(script.take())
        server.send()
      }
    }
    server.receive(script.take())
    server.send()
    server.close()
  }
}
