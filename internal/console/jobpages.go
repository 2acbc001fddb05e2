package console

import (
	"crypto/rand"

	"issuance/tasks/order"
)

// jobData is the page of one job.
type jobData struct {
	*job
	Sample []entry
	Path   string
	Most   int
	Moving bool // something happens by itself
}

func (v *visit) jobList() error {
	list, err := v.jobs.list(v.r.Context(), v.Now())
	if err != nil {
		return err
	}
	var own []*job
	for _, j := range list {
		if v.mayLook(j) {
			own = append(own, j)
		}
	}
	return v.page("jobs", "title.jobs", own)
}

// mayLook reports whether a visitor may see a job: it is its own, or the visitor's token is limited to no accounts.
func (v *visit) mayLook(j *job) bool { return len(v.who.Accounts) == 0 || j.Mark == v.who.Mark() }

// newJob makes a job of what a list shows.
func (v *visit) newJob() error {
	f, err := parseFilter(v.r.PostForm)
	if err != nil {
		return err
	}
	kind := v.r.PostForm.Get("kind")
	switch {
	case kind == jobCancel && (f.State == openStates || f.State == string(order.Queued)):
		f.State = string(order.Queued) // what was sent cannot be cancelled
	case kind == jobRetry && f.State == string(order.Review):
	default:
		return badFilter
	}
	j := job{ID: rand.Text(), Kind: kind, Filter: f, Mark: v.who.Mark(), By: v.who.Name, Address: v.Door.Address(v.r), Created: v.Now()}
	if err := v.jobs.make(v.r.Context(), j); err != nil {
		return err
	}
	v.jobs.wake()
	return v.redirect(Path+"jobs/"+j.ID, "")
}

// named is the job of the path.
func (v *visit) named() (*job, error) {
	j, err := v.jobs.load(v.r.Context(), v.r.PathValue("id"))
	if err == nil && (j == nil || !v.mayLook(j)) {
		err = notFound
	}
	return j, err
}

func (v *visit) job() error {
	j, err := v.named()
	if err != nil {
		return err
	}
	data := jobData{job: j, Path: Path + "jobs/" + j.ID, Most: mostJob, Moving: j.moving()}
	if data.Sample, err = v.jobs.entries(v.r.Context(), j.ID, 0, 10); err != nil {
		return err
	}
	return v.page("job", "title.job", data)
}

func (v *visit) startJob() error {
	j, err := v.named()
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err != nil {
		return err
	}
	if j.Mark != v.who.Mark() { // it goes by the accounts of who made it
		return notAllowed
	}
	return v.moveJob(j, v.step(jobReady, jobRunning, didStart, reason), "started")
}

func (v *visit) stopJob() error {
	j, err := v.named()
	if err != nil {
		return err
	}
	return v.moveJob(j, v.step(jobCounting+","+jobReady+","+jobRunning, jobStopped, didStop, ""), "stopped")
}

func (v *visit) moveJob(j *job, to step, word string) error {
	refused, err := v.jobs.move(v.r.Context(), j.ID, to)
	switch {
	case err != nil:
		return err
	case refused != nil:
		return v.stands("job", refused)
	}
	v.jobs.wake()
	return v.redirect(Path+"jobs/"+j.ID, word)
}
