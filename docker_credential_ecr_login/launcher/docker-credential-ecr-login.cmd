@echo off
rem The counterpart for Windows of the launcher beside this file.
setlocal
set "python=%~dp0python.exe"
if not exist "%python%" set "python=%~dp0..\python.exe"
if not exist "%python%" set "python=python.exe"
"%python%" -I -m docker_credential_ecr_login %*
