import Bytes
import Records
import Wire

/// `WatchXs`: the changes of a model's records, as they are made.
struct WatchHandler: ServerStreamHandler {
  let store: ModelStore
  let feed: ChangeFeed
  let hub: WatchHub

  func start(_ request: UnsafeRawBufferPointer, _ context: CallContext) -> ServerStreamStart {
    do throws(WatchRequest.Problem) {
      let reader = try feed.reader(request, of: store)
      return .stream(WatchStream(hub.watcher(reader, of: store, context.token), hub))
    } catch {
      return .failed(StatusMapping.status(of: error, store))
    }
  }
}

/// One call of ``WatchHandler``. The first message says where it begins, before anything happens.
private final class WatchStream: ServerStream {
  private let watcher: Watcher
  private let hub: WatchHub
  private var isBegun = false

  init(_ watcher: Watcher, _ hub: WatchHub) {
    self.watcher = watcher
    self.hub = hub
  }

  func pull(_ response: inout ByteWriter) -> PullOutcome {
    if !isBegun {
      isBegun = true
      watcher.appendStart(to: &response)
      return .message
    }
    hub.wait(watcher)
    return .pending
  }

  // What it holds of the store goes with it, at the next round at the latest: the thread may be reading it now.
  func cancel() { watcher.cancellation.cancel() }
}
