"""Everything Coldplate raises on purpose, and the one table of stable error codes.

A code that the official service publishes keeps its number and meaning here; codes from 4000 to
4999 are ours. `http` is the status when the error answers a request; an error that ends a job is
told by the job's state instead.
"""

from __future__ import annotations


class ColdplateError(Exception):
    """Something is wrong in a way that has a name, a code and an answer.

    Args:
        message: What is wrong, with the value.
        solution: What to do about it.
    """

    code = 1000
    http = 400
    solution = "Check the request and try again."

    def __init__(self, message: str, *, solution: str | None = None):
        super().__init__(message)
        self.message = message
        if solution is not None:
            self.solution = solution


class InternalError(ColdplateError):
    """Ours, not the user's."""

    code, http, solution = 1000, 500, "Report it with the trace id; the server's log has the details."


# --- the request ------------------------------------------------------------------------------


class BadRequest(ColdplateError):
    """The request is malformed: JSON, types, unknown fields or options."""

    code, http, solution = 1002, 400, "Correct the request and send it again."


class NotOffered(ColdplateError):
    """No such path, verb or feature in this server."""

    code, http, solution = 4040, 404, "See docs/coverage.md for what this server offers."


class PayloadTooLarge(ColdplateError):
    """The body is larger than the service accepts."""

    code, http, solution = 5302, 413, "Send fewer or smaller circuits in one job."


class NotAuthorized(ColdplateError):
    """The principal may not do this."""

    code, http, solution = 1200, 403, "Use a key that has the right to do this."


class InvalidCredentials(ColdplateError):
    """No, expired, revoked or forged credentials."""

    code, http, solution = 1201, 401, "Check the API key; `coldplate env` prints a working set-up."


class UnknownUser(ColdplateError):
    """No such user in the account."""

    code, http, solution = 4051, 404, "Make the user first: `coldplate users create`."


class InvalidCrn(ColdplateError):
    """The Service-CRN header is missing or malformed."""

    code, http, solution = 1241, 400, "Send the CRN of your instance; `coldplate instances` lists them."


class UnknownInstance(ColdplateError):
    """No such instance for this principal."""

    code, http, solution = 1279, 404, "Check the CRN; `coldplate instances` lists the instances."


class TooManyTags(ColdplateError):
    """More than 8 tags."""

    code, http, solution = 1204, 400, "Use at most 8 tags."


class TagTooLong(ColdplateError):
    """A tag of more than 86 characters."""

    code, http, solution = 1205, 400, "Use tags of at most 86 characters."


class UnknownProgram(ColdplateError):
    """No such program."""

    code, http, solution = 1207, 404, "Use sampler, estimator or executor."


class ProgramExists(ColdplateError):
    """The account has a program of this name."""

    code, http, solution = 4054, 409, "Choose another name, or change the program that is there."


class ProgramNotRun(ColdplateError):
    """An uploaded program is kept, but not run: the operator has not allowed it, or the machine can't."""

    code, http = 4052, 403
    solution = "Run the code where your client runs and send circuits, or ask the operator about run_uploads."


class UnknownSession(ColdplateError):
    """No such session for this instance."""

    code, http, solution = 1209, 404, "Check the session id."


class UnknownBackend(ColdplateError):
    """No such backend for this instance."""

    code, http, solution = 1216, 404, "Choose one of the names that `service.backends()` lists."


class UnknownCalibration(ColdplateError):
    """The backend has no such calibration."""

    code, http, solution = 1218, 404, "Leave calibration_id out to use the current calibration."


class SessionClosed(ColdplateError):
    """The session accepts no more jobs, or closed while the job was queued."""

    code, http, solution = 1217, 409, "Open a new session, or raise max_time."


class UnknownJob(ColdplateError):
    """No such job for this instance."""

    code, http, solution = 1291, 404, "Check the job id and the instance."


class JobNotCancellable(ColdplateError):
    """The job has already ended."""

    code, http, solution = 3209, 409, "Nothing to do: the job has ended."


class JobNotFinished(ColdplateError):
    """The job has to end before this can be done."""

    code, http, solution = 3209, 409, "Cancel the job first, or wait until it ends."


class ResultDamaged(ColdplateError):
    """The stored result does not match its checksum."""

    code, http, solution = 2306, 410, "Run the job again; the operator's log names the damaged file."


class Unavailable(ColdplateError):
    """The service can't take this now; official clients repeat the request by themselves."""

    code, http, solution = 3246, 503, "Try again in a moment."


class NewerData(ColdplateError):
    """The data directory was used by a newer release."""

    code, http, solution = 4094, 500, "Install that release again, or restore a backup from before it."


# --- the job ----------------------------------------------------------------------------------


class JobFailure(ColdplateError):
    """Base of what ends a job as Failed; also used for an internal error while executing it (1500)."""

    code, solution = 1500, "Check the job's log; if it looks right, report it."


class RanTooLong(JobFailure):
    """The job reached its maximum execution time (ends as Cancelled)."""

    code, solution = 1305, "Raise max_execution_time, or split the job."


class ObservableWidth(JobFailure):
    """An observable's width differs from its circuit's."""

    code, solution = 1501, "Apply the circuit's layout to the observable (`observable.apply_layout`)."


class BadProgram(JobFailure):
    """A circuit or program text can't be read."""

    code, solution = 1506, "Send circuits as written by a supported client."


class BadInput(JobFailure):
    """The inputs of the job are not valid (wrong shapes, types or values)."""

    code, solution = 3211, "Correct the inputs and submit again."


class NotIsa(JobFailure):
    """A circuit does not match the backend's instruction set or coupling."""

    code, solution = 1517, "Transpile the circuit for this backend."


class FractionalConflict(JobFailure):
    """Fractional gates together with an option that can't have them."""

    code, solution = 1519, "Turn the option off, or transpile without fractional gates."


class LimitExceeded(JobFailure):
    """The job exceeds a limit of the system."""

    code, solution = 1520, "Split the job into smaller ones."


class IncompatibleOptions(JobFailure):
    """Circuits and options, or two options, don't go together."""

    code, http, solution = 1521, 400, "Change one of the two."


class DynamicInEstimator(JobFailure):
    """A dynamic circuit was given to the estimator."""

    code, solution = 1522, "Use the sampler or the executor for dynamic circuits."


class ProgramRaised(JobFailure):
    """An uploaded program raised an error, or ended itself."""

    code, solution = 5203, "Correct the program; the job's log has the traceback."


class TooWide(JobFailure):
    """A connected component of the circuit is too large for every method this backend has."""

    code, solution = 4001, "Use fewer interacting qubits, a Clifford circuit, or an MPS simulator."


class OutOfMemory(JobFailure):
    """The job's process reached its memory limit."""

    code, solution = 4002, "Make the job smaller, or ask the operator for a larger limit."


class ChildDied(JobFailure):
    """The job's process died (signal or exit code); the inputs made it crash."""

    code, solution = 4003, "Make the job smaller or simpler; the log may say more."


class WorkerLost(JobFailure):
    """The worker was lost more often than a job is tried again."""

    code, solution = 4004, "Submit the job again."


class ReadoutTooNoisy(JobFailure):
    """An observable's readout signal is too weak to divide by."""

    code, solution = 4101, "Measure it on fewer qubits, or turn measure mitigation off."


class NotYet(BadRequest):
    """An option of the official service that this release does not honour yet."""

    code, http, solution = 4100, 400, "Leave the option out."

    def __init__(self, option: str):
        super().__init__(f"Option {option} is not yet supported by this server.")
        self.option = option


# --- plans and limits -------------------------------------------------------------------------


class SessionNotInPlan(ColdplateError):
    """The instance's plan has batches, but no dedicated sessions."""

    code, http, solution = 1352, 400, "Use a batch, or jobs without a session."


class LimitAboveCap(ColdplateError):
    """A manager has asked for a higher limit than the operator lets the instance have."""

    code, http, solution = 4053, 409, "Ask for less, or ask the operator to raise the cap."


class UsageLimitReached(ColdplateError):
    """The instance has used all that its limit allows in the window."""

    code, http, solution = 4050, 409, "Wait until the window has moved on, or ask the operator to raise it."
