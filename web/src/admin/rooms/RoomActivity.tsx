import { ProblemNote } from '../../ui/ProblemNote'
import { SkeletonRows } from '../../ui/Skeleton'
import * as ui from '../../ui/ui.css'
import { ActivityList } from '../ActivityList'
import * as css from '../desk.css'
import { useActivity } from '../queries'

export function RoomActivity({ id }: { id: string }) {
  const activity = useActivity(id)
  return (
    <section className={css.section}>
      <h2 className={css.h2}>Activity</h2>
      {activity.isLoadingError ? (
        <ProblemNote error={activity.error} onAgain={() => void activity.refetch()} />
      ) : activity.isPending ? (
        <SkeletonRows rows={3} height={32} />
      ) : activity.data.length === 0 ? (
        <p className={ui.quiet}>Nothing has happened yet.</p>
      ) : (
        <ActivityList entries={activity.data} />
      )}
    </section>
  )
}
