import { Component, type ReactNode } from 'react'

interface Props {
  children: ReactNode
  /** How the note and its buttons look on this page. */
  note?: string
  button?: string
}

/**
 * Keeps a failure where it happened: the rest of the page goes on. Around each
 * half of a room, and around whatever is fetched when it is first opened.
 */
export class Boundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  override render() {
    if (!this.state.failed) return this.props.children
    const { note, button } = this.props
    return (
      <div className={note} role="alert">
        <p>This part could not be loaded. Try again, or reload the page.</p>
        <div>
          <button type="button" className={button} onClick={() => this.setState({ failed: false })}>
            Try again
          </button>{' '}
          <button type="button" className={button} onClick={() => location.reload()}>
            Reload the page
          </button>
        </div>
      </div>
    )
  }
}
