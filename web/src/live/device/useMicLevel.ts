import { useEffect, useState } from 'react'

/** Loudness from 0 to 1, a dozen times a second. */
export function useMicLevel(stream: MediaStream | null): number {
  const [level, setLevel] = useState(0)
  useEffect(() => {
    if (!stream || stream.getAudioTracks().length === 0) return
    const context = new AudioContext()
    const analyser = context.createAnalyser()
    analyser.fftSize = 512
    context.createMediaStreamSource(stream).connect(analyser)
    const samples = new Float32Array(analyser.fftSize)
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples)
      const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length
      // -60 dB is silence, -12 dB is a clear voice.
      const decibel = 10 * Math.log10(power + 1e-9)
      setLevel(Math.min(1, Math.max(0, (decibel + 60) / 48)))
    }, 80)
    return () => {
      clearInterval(timer)
      void context.close()
    }
  }, [stream])
  return level
}
