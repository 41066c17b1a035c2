export type Udp = 'yes' | 'no' | 'unsupported'

/**
 * Whether this browser may open UDP at all. No server is asked (that would be
 * a third party); a firewall on the way shows only when the picture plays.
 */
export async function probeUdp(timeoutMs = 3000): Promise<Udp> {
  if (typeof RTCPeerConnection !== 'function') return 'unsupported'
  const peer = new RTCPeerConnection()
  try {
    peer.createDataChannel('probe')
    const found = new Promise<Udp>((resolve) => {
      peer.onicecandidate = ({ candidate }) => {
        if (candidate?.candidate.toLowerCase().includes(' udp ')) resolve('yes')
        else if (candidate === null) resolve('no')
      }
      setTimeout(() => resolve('no'), timeoutMs)
    })
    await peer.setLocalDescription(await peer.createOffer())
    return await found
  } catch {
    return 'no'
  } finally {
    peer.close()
  }
}
