@echo off
rem The counterpart for Windows of the launcher beside this file. That one says why it
rem does what it does.
setlocal DisableDelayedExpansion
set "library=%~dp0..\Lib\site-packages"
if exist "%~dp0..\site-packages\docker_credential_ecr_login" set "library=%~dp0..\site-packages"
for %%p in (python.exe) do set "python=%%~$PATH:p"
if exist "%~dp0..\python.exe" set "python=%~dp0..\python.exe"
if exist "%~dp0python.exe" set "python=%~dp0python.exe"
if not defined python (
    echo docker-credential-ecr-login: no Python found beside "%~f0"; install it again
    exit /b 1
)
if not exist "%library%\docker_credential_ecr_login" goto elsewhere
"%python%" -IS -c "import sys; sys.path.append(sys.argv.pop(1)); from docker_credential_ecr_login.__main__ import main; main()" "%library%" %*
exit /b %errorlevel%
:elsewhere
rem An editable install, or a layout that is not known here.
"%python%" -E -c "import sys; sys.path.remove(''); from docker_credential_ecr_login.__main__ import main; main()" %*
exit /b %errorlevel%
