/** TensorBoard's message port for plugin frames: it tells us when the user pressed reload. */

interface Message {
  type: string;
  id: number;
  isReply?: boolean;
}

/** Calls back on every `DataReloaded`; every host message is answered, or the host keeps waiting for it. */
export function onDataReloaded(reloaded: () => void): () => void {
  const channel = new MessageChannel();
  const port = channel.port1;
  port.onmessage = (event: MessageEvent<string>) => {
    const message = JSON.parse(event.data) as Message;
    if (message.isReply) return;
    const reply = { type: message.type, id: message.id, payload: null, error: null, isReply: true };
    port.postMessage(JSON.stringify(reply));
    if (message.type === "experimental.DataReloaded") reloaded();
  };
  if (window.parent !== window) {
    window.parent.postMessage("experimental.bootstrap", "*", [channel.port2]);
  }
  return () => port.close();
}
